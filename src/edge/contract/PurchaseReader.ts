import { centsFromDecimal, decimalFromCents } from "../../account/Money.ts"
import { type Purchase, purchaseTotal } from "../../account/Purchase.ts"
import { idIn } from "./IdOrKey.ts"
import { type FieldProblem, purchaseIdField } from "./Field.ts"
import { flawProblem, malformed, MemberReader, type ObjectKind, type Written } from "./MemberReader.ts"
import { isProblem, type Problem, problem } from "./Problem.ts"
import { checkedTotal, purchaseFields } from "./PurchaseRequest.ts"

const required = ["userId", "productName", "productType", "value", "quantity"] as const
/** The names of the fields of a purchase. */
export const purchaseNames = [...required, "purchaseId", "total"] as const
type Name = (typeof purchaseNames)[number]

/** The words with which problems name a purchase and its fields. */
export const purchaseKind: ObjectKind = { kind: "purchase", known: purchaseNames }

/**
 * Returns the purchase if the caller's total equals the exact total, and a problem otherwise. The caller's total serves
 * only for the comparison.
 */
const withEqualTotal = (members: MemberReader<Name>, purchase: Purchase): Purchase | Problem<FieldProblem> => {
  const total = members.checked("total", "number", centsFromDecimal)
  if (isProblem(total)) return total
  const exact = purchaseTotal(purchase)
  if (total === exact) return purchase
  const detail = `total must be value times quantity, ${decimalFromCents(exact)}, or be left out.`
  return problem("refused-by-rules", detail)
}

/** Returns the purchase of the object that was read last. */
export const purchaseMembers = (
  members: MemberReader<Name>,
  idempotencyKey: string | undefined,
  newId: () => string
): Purchase | Problem<FieldProblem> => {
  for (const name of required) if (!members.has(name)) return malformed(`The field ${name} is missing.`)
  const purchaseId = idIn(members, "purchaseId", purchaseIdField, idempotencyKey, newId)
  if (typeof purchaseId !== "string") return purchaseId
  const userId = members.checked("userId", "text", purchaseFields.userId.read)
  if (typeof userId !== "string") return userId
  const productName = members.checked("productName", "text", purchaseFields.productName.read)
  if (typeof productName !== "string") return productName
  const productType = members.checked("productType", "text", purchaseFields.productType.read)
  if (typeof productType !== "string") return productType
  const valueCents = members.checked("value", "number", purchaseFields.value.read)
  if (typeof valueCents !== "bigint") return valueCents
  const quantity = members.checked("quantity", "number", purchaseFields.quantity.read)
  if (typeof quantity !== "number") return quantity
  const purchase = checkedTotal({ purchaseId, userId, productName, productType, valueCents, quantity })
  return isProblem(purchase) || !members.has("total") ? purchase : withEqualTotal(members, purchase)
}

/** Reads purchases from JSON texts, one at a time. */
export class PurchaseReader {
  private readonly members = new MemberReader(purchaseNames)

  /**
   * Reads one purchase. The amounts of a purchase are read from the digits in the text. Repeated and unknown keys of a
   * purchase are refused. If the body has no purchaseId, `idempotencyKey` is the id, and without an `idempotencyKey`
   * the function `newId` makes the id.
   */
  read(written: Written, idempotencyKey: string | undefined, newId: () => string): Purchase | Problem<FieldProblem> {
    const flaw = this.members.read(written)
    return flaw === undefined
      ? purchaseMembers(this.members, idempotencyKey, newId)
      : flawProblem(flaw, written, purchaseKind)
  }
}
