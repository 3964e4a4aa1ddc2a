import { Schema } from "effect"
import { decimalFromCents, purchaseTotalMax } from "../../account/Money.ts"
import { type Purchase, purchaseTotal } from "../../account/Purchase.ts"
import { Amount } from "./Amount.ts"
import {
  type FieldProblem,
  productTextField,
  purchaseIdField,
  quantityField,
  userIdField,
  valueField
} from "./Field.ts"
import { type Problem, problem } from "./Problem.ts"

/** The fields of a purchase, except for its purchase id. */
export const purchaseFields = {
  userId: userIdField,
  productName: productTextField("productName"),
  productType: productTextField("productType"),
  value: valueField,
  quantity: quantityField
}
/**
 * Describes the body of `POST /purchases` in the OpenAPI document. PurchaseReader reads the body with the same fields.
 */
export const PurchaseRequest = Schema.Struct({
  userId: purchaseFields.userId.documented,
  productName: purchaseFields.productName.documented,
  productType: purchaseFields.productType.documented,
  value: purchaseFields.value.documented,
  quantity: purchaseFields.quantity.documented,
  purchaseId: Schema.optionalKey(purchaseIdField.documented),
  total: Schema.optionalKey(Schema.toEncoded(Amount))
}).annotate({
  identifier: "PurchaseRequest",
  description: `\`value\` times \`quantity\` is at most ${decimalFromCents(purchaseTotalMax)}. The body has no key twice.`
})

/** Returns the purchase, or a problem if the total of the purchase is above {@link purchaseTotalMax}. */
export const checkedTotal = <P extends Pick<Purchase, "valueCents" | "quantity">>(
  purchase: P
): P | Problem<FieldProblem> =>
  purchaseTotal(purchase) <= purchaseTotalMax
    ? purchase
    : problem("refused-by-rules", `value times quantity must be at most ${decimalFromCents(purchaseTotalMax)}.`)
