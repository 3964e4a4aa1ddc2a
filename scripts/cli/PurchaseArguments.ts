import { Option, Schema } from "effect"
import { Argument, Flag } from "effect/cli"
import { centsOf } from "../../src/client/Amount.ts"
import type { NewPurchase } from "../../src/client/Answers.ts"

const isDecimal = (text: string): boolean => {
  try {
    return centsOf(text) > 0n
  } catch {
    return false
  }
}

export const user = Argument.String("user").pipe(Argument.withDescription("The id of the user"))

/** What a command takes that sends a purchase. */
export const purchaseArguments = {
  user,
  product: Argument.String("product").pipe(Argument.withDescription("The name of the product")),
  value: Argument.String("value").pipe(
    Argument.withSchema(
      Schema.String.check(Schema.makeFilter((text: string) => isDecimal(text) || "is no price like 12.50"))
    ),
    Argument.withDescription("The price of a piece, an exact decimal")
  ),
  quantity: Flag.Int("quantity").pipe(Flag.withDescription("How many pieces"), Flag.withDefault(1)),
  type: Flag.String("type").pipe(Flag.withDescription("The type of the product"), Flag.withDefault("General")),
  id: Flag.String("id").pipe(
    Flag.withDescription("The purchaseId; the same again counts once. Without it, it is a new one"),
    Flag.optional
  )
}

interface Given {
  readonly user: string
  readonly product: string
  readonly value: string
  readonly quantity: number
  readonly type: string
  readonly id: Option.Option<string>
}

export const purchaseOf = ({ user, product, value, quantity, type, id }: Given): NewPurchase => ({
  userId: user,
  productName: product,
  productType: type,
  value,
  quantity,
  ...(Option.isSome(id) ? { purchaseId: id.value } : {})
})
