import { Option, Schema } from "effect"
import { Argument, Flag } from "effect/cli"
import { centsOf, decimalOf } from "../../src/client/Amount.ts"
import type { NewPurchase } from "../../src/client/NewPurchase.ts"
import type { NewReversal } from "../../src/client/NewReversal.ts"
import {
  inNormalForm,
  productTextProblem,
  purchaseIdProblem,
  reasonTextProblem,
  userIdProblem
} from "../../src/account/Identifier.ts"
import { quantityMax, valueMax } from "../../src/account/Money.ts"
import { wholeNumber } from "./WholeNumber.ts"

const isPrice = (text: string): boolean => {
  try {
    const cents = centsOf(text)
    return cents > 0n && cents <= valueMax
  } catch {
    return false
  }
}

/** Returns the problem of a text that is not an exact price; `undefined` if the text is an exact price. */
export const priceProblem = (text: string): string | undefined =>
  isPrice(text) ? undefined : `must be a price from 0.01 to ${decimalOf(valueMax)}, like 12.50`

const Price = Schema.String.check(Schema.makeFilter((text: string) => priceProblem(text) ?? true))

export const textBy = (problem: (text: string) => string | undefined) =>
  Schema.String.check(Schema.makeFilter((text: string) => problem(inNormalForm(text)) ?? true))

const UserId = textBy(userIdProblem)
export const PurchaseId = textBy(purchaseIdProblem)
const ProductText = textBy(productTextProblem)

/** The flags that choose purchases by their product or type of product. */
export const productFlags = {
  product: Flag.String("product").pipe(
    Flag.withSchema(ProductText),
    Flag.withDescription("Only purchases of this product"),
    Flag.optional
  ),
  type: Flag.String("type").pipe(
    Flag.withSchema(ProductText),
    Flag.withDescription("Only purchases of this type of product"),
    Flag.optional
  )
}

export const user = Argument.String("user").pipe(
  Argument.withSchema(UserId),
  Argument.withDescription("The id of the user")
)

/** The flag that names one user. */
export const userFlag = Flag.String("user").pipe(Flag.withSchema(UserId))

const idFlag = (withoutIt: string) =>
  Flag.String("id").pipe(
    Flag.withSchema(PurchaseId),
    Flag.withDescription(`The purchaseId. Under one id a purchase counts once. Without --id, ${withoutIt}`),
    Flag.optional
  )

/** The argument that names a purchase of the user. */
export const purchase = Argument.String("purchase").pipe(
  Argument.withSchema(PurchaseId),
  Argument.withDescription("The id of the purchase")
)

/** The argument that names a purchase or a reversal of the user. */
export const entryArgument = Argument.String("id").pipe(
  Argument.withSchema(PurchaseId),
  Argument.withDescription("The id of the purchase, or of the reversal with --reversal")
)

/** The arguments and flags of a command that sends a reversal. */
export const reversalArguments = {
  user,
  purchase,
  quantity: Flag.Int("quantity").pipe(
    Flag.withSchema(wholeNumber(1, quantityMax)),
    Flag.withDescription("The number of pieces to take back. Without it, all pieces that are left are taken back"),
    Flag.optional
  ),
  reason: Flag.String("reason").pipe(
    Flag.withSchema(textBy(reasonTextProblem)),
    Flag.withDescription("Why the purchase is reversed")
  ),
  id: Flag.String("id").pipe(
    Flag.withSchema(PurchaseId),
    Flag.withDescription(
      "The reversalId. Under one id a reversal counts once. Without --id, the command makes a new id"
    ),
    Flag.optional
  )
}

/** The arguments and flags of a command that sends a purchase. */
export const purchaseArguments = {
  user,
  product: Argument.String("product").pipe(
    Argument.withSchema(ProductText),
    Argument.withDescription("The name of the product")
  ),
  value: Argument.String("value").pipe(
    Argument.withSchema(Price),
    Argument.withDescription("The price of a piece, an exact decimal")
  ),
  quantity: Flag.Int("quantity").pipe(
    Flag.withSchema(wholeNumber(1, quantityMax)),
    Flag.withDescription("The number of pieces, 1 by default"),
    Flag.withDefault(1)
  ),
  type: Flag.String("type").pipe(
    Flag.withSchema(ProductText),
    Flag.withDescription("The type of the product, General by default"),
    Flag.withDefault("General")
  ),
  id: idFlag("the command makes a new id")
}

/** The arguments and flags of a replay beside its record. Without `--id` the service makes the id from the record. */
export const replayArguments = {
  ...purchaseArguments,
  id: idFlag("the id follows from the record, like replay-7-0 for 7/0")
}

interface Given {
  readonly user: string
  readonly product: string
  readonly value: string
  readonly quantity: number
  readonly type: string
  readonly id: Option.Option<string>
}

interface GivenReversal {
  readonly user: string
  readonly purchase: string
  readonly quantity: Option.Option<number>
  readonly reason: string
  readonly id: Option.Option<string>
}

/** Returns the reversal that a command line describes. */
export const reversalOf = ({ user, purchase, quantity, reason, id }: GivenReversal): NewReversal => ({
  userId: user,
  purchaseId: purchase,
  reason,
  ...(Option.isSome(quantity) ? { quantity: quantity.value } : {}),
  ...(Option.isSome(id) ? { reversalId: id.value } : {})
})

/** Returns the purchase that a command line describes. */
export const purchaseOf = ({ user, product, value, quantity, type, id }: Given): NewPurchase => ({
  userId: user,
  productName: product,
  productType: type,
  value,
  quantity,
  ...(Option.isSome(id) ? { purchaseId: id.value } : {})
})
