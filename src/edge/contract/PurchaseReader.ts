import { inNormalForm } from "../../account/Identifier.ts"
import { centsFromDecimal, decimalFromCents } from "../../account/Money.ts"
import { type Purchase, purchaseTotal } from "../../account/Purchase.ts"
import { type FieldProblem, purchaseIdField } from "./Field.ts"
import { FlatObject, type MemberKind, type ObjectFlaw } from "./FlatObject.ts"
import { isProblem, type Problem, problem } from "./Problem.ts"
import { checkedTotal, purchaseFields } from "./PurchaseRequest.ts"

const required = ["userId", "productName", "productType", "value", "quantity"] as const
const known = [...required, "purchaseId", "total"] as const
type Name = (typeof known)[number]

/** A purchase as a caller wrote it: a part of a text, and the word with which messages name that part. */
export interface Written {
  readonly what: "body" | "line"
  readonly text: string
  readonly from: number
  readonly to: number
}

export const writtenBody = (text: string): Written => ({ what: "body", text, from: 0, to: text.length })

const malformed = (detail: string) => problem("malformed-request", detail)

const irregularProblem = ({ what, text, from, to }: Written): Problem<FieldProblem> => {
  let json: unknown
  try {
    json = JSON.parse(text.slice(from, to))
  } catch (cause) {
    return malformed(`The ${what} is not JSON: ${cause instanceof Error ? cause.message : "unreadable"}.`)
  }
  return typeof json !== "object" || json === null || Array.isArray(json)
    ? malformed(`The ${what} must be one JSON object.`)
    : malformed("Each field of a purchase must be a text or a number; nothing is nested.")
}

const flawProblem = (flaw: ObjectFlaw, written: Written): Problem<FieldProblem> => {
  switch (flaw.kind) {
    case "repeated":
      return malformed(`The key ${flaw.name.slice(0, 40)} is given more than once. Give it once.`)
    case "unknown":
      return malformed(`The field ${JSON.stringify(flaw.name.slice(0, 40))} is unknown. Known: ${known.join(", ")}.`)
    case "irregular":
      return irregularProblem(written)
  }
}

const indexes = Object.fromEntries(known.map((name, index) => [name, index])) as Record<Name, number>

/**
 * Reads purchases from JSON texts, one at a time. All texts share one {@link FlatObject}, so that no object is made for
 * each text.
 */
export class PurchaseReader {
  private readonly members = new FlatObject(known)

  /**
   * Reads one purchase. Amounts are read from the digits in the text. Repeated and unknown keys are refused. If the
   * body has no purchaseId, `idempotencyKey` is the id, and without a key `newId` makes the id.
   */
  read(written: Written, idempotencyKey: string | undefined, newId: () => string): Purchase | Problem<FieldProblem> {
    const flaw = this.members.read(written.text, written.from, written.to)
    if (flaw !== undefined) return flawProblem(flaw, written)
    for (const name of required) if (!this.has(name)) return malformed(`The field ${name} is missing.`)
    const purchaseId = this.purchaseIdOr(idempotencyKey, newId)
    if (typeof purchaseId !== "string") return purchaseId
    const userId = this.checked("userId", "text", purchaseFields.userId.read)
    if (typeof userId !== "string") return userId
    const productName = this.checked("productName", "text", purchaseFields.productName.read)
    if (typeof productName !== "string") return productName
    const productType = this.checked("productType", "text", purchaseFields.productType.read)
    if (typeof productType !== "string") return productType
    const valueCents = this.checked("value", "number", purchaseFields.value.read)
    if (typeof valueCents !== "bigint") return valueCents
    const quantity = this.checked("quantity", "number", purchaseFields.quantity.read)
    if (typeof quantity !== "number") return quantity
    const purchase = checkedTotal({ purchaseId, userId, productName, productType, valueCents, quantity })
    return isProblem(purchase) || !this.has("total") ? purchase : this.withEqualTotal(purchase)
  }

  private has(name: Name): boolean {
    return this.members.kindOf(indexes[name]) !== "none"
  }

  /** Applies `rule` to the text of a member. Returns a problem if the member is not of the kind `kind`. */
  private checked<A>(
    name: Name,
    kind: MemberKind,
    rule: (text: string) => A | Problem<FieldProblem>
  ): A | Problem<FieldProblem> {
    return this.members.kindOf(indexes[name]) === kind
      ? rule(this.members.textOf(indexes[name]))
      : malformed(`${name} must be a ${kind}.`)
  }

  private purchaseIdOr(
    idempotencyKey: string | undefined,
    newId: () => string
  ): Purchase["purchaseId"] | Problem<FieldProblem> {
    if (!this.has("purchaseId")) return purchaseIdField.read(idempotencyKey ?? newId())
    if (idempotencyKey !== undefined) {
      const named = this.checked("purchaseId", "text", inNormalForm)
      if (typeof named === "string" && named !== inNormalForm(idempotencyKey)) {
        return malformed("purchaseId and Idempotency-Key differ: send one of them.")
      }
    }
    return this.checked("purchaseId", "text", purchaseIdField.read)
  }

  /**
   * Returns the purchase if the caller's total equals the exact total, and a problem otherwise. The caller's total is
   * not used for anything else.
   */
  private withEqualTotal(purchase: Purchase): Purchase | Problem<FieldProblem> {
    const total = this.checked("total", "number", centsFromDecimal)
    if (isProblem(total)) return total
    const exact = purchaseTotal(purchase)
    if (total === exact) return purchase
    const detail = `total must be value times quantity, ${decimalFromCents(exact)}, or be left out.`
    return problem("refused-by-rules", detail)
  }
}
