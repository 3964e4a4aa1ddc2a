import { Schema } from "effect"
import { inNormalForm } from "../domain/Identifier.ts"
import { centsFromDecimal, decimalFromCents, purchaseTotalMax } from "../domain/Money.ts"
import { type Purchase, purchaseTotal } from "../domain/Purchase.ts"
import { Amount } from "./Amount.ts"
import {
  type FieldProblem,
  productTextField,
  purchaseIdField,
  quantityField,
  userIdField,
  valueField
} from "./Field.ts"
import { FlatObject, type MemberKind, type ObjectFlaw } from "./FlatObject.ts"
import { isProblem, type Problem, problem } from "./Problem.ts"

const fields = {
  userId: userIdField,
  productName: productTextField("productName"),
  productType: productTextField("productType"),
  value: valueField,
  quantity: quantityField
}
const required = ["userId", "productName", "productType", "value", "quantity"] as const
const known = [...required, "purchaseId", "total"] as const
type Name = (typeof known)[number]

/** A purchase as a caller wrote it: a part of a text, and what people call it. */
export interface Written {
  readonly what: "body" | "line"
  readonly text: string
  readonly from: number
  readonly to: number
}

export const writtenBody = (text: string): Written => ({ what: "body", text, from: 0, to: text.length })

/** The body of `POST /purchases`. What reads it is below; the document has it from the same fields. */
export const PurchaseRequest = Schema.Struct({
  userId: fields.userId.documented,
  productName: fields.productName.documented,
  productType: fields.productType.documented,
  value: fields.value.documented,
  quantity: fields.quantity.documented,
  purchaseId: Schema.optionalKey(purchaseIdField.documented),
  total: Schema.optionalKey(Schema.toEncoded(Amount))
}).annotate({
  identifier: "PurchaseRequest",
  description: `Value times quantity is at most ${decimalFromCents(purchaseTotalMax)}. Each key stands there once.`
})

const malformed = (detail: string) => problem("malformed-request", detail)
const refused = (detail: string) => problem("refused-by-rules", detail)

/** Holds the total of a purchase against its bound. */
export const checkedTotal = <P extends Pick<Purchase, "valueCents" | "quantity">>(
  purchase: P
): P | Problem<FieldProblem> =>
  purchaseTotal(purchase) <= purchaseTotalMax
    ? purchase
    : refused(`value times quantity must be at most ${decimalFromCents(purchaseTotalMax)}.`)

const flawProblem = (flaw: ObjectFlaw, { what, text, from, to }: Written): Problem<FieldProblem> => {
  switch (flaw.kind) {
    case "repeated":
      return malformed(`The key ${flaw.name.slice(0, 40)} stands there more than once.`)
    case "unknown":
      return malformed(`The field ${JSON.stringify(flaw.name.slice(0, 40))} is unknown. Known: ${known.join(", ")}.`)
    case "irregular": {
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
  }
}

const members = new FlatObject(known)
const places = Object.fromEntries(known.map((name, place) => [name, place])) as Record<Name, number>

const has = (name: Name): boolean => members.kindOf(places[name]) !== "none"

/** What stands at a name, if it is of a kind and a rule takes it. */
const checked = <A>(
  name: Name,
  kind: MemberKind,
  rule: (text: string) => A | Problem<FieldProblem>
): A | Problem<FieldProblem> =>
  members.kindOf(places[name]) === kind ? rule(members.textOf(places[name])) : malformed(`${name} must be a ${kind}.`)

/**
 * Reads one purchase from a JSON text. Amounts are read from the text as it stands, repeated and unknown keys are
 * refused. `idempotencyKey` is the purchase id where the body names none, and `newId` where there is neither.
 */
export const readPurchase = (
  written: Written,
  idempotencyKey: string | undefined,
  newId: () => string
): Purchase | Problem<FieldProblem> => {
  const flaw = members.read(written.text, written.from, written.to)
  if (flaw !== undefined) return flawProblem(flaw, written)
  for (const name of required) if (!has(name)) return malformed(`The field ${name} is missing.`)
  if (idempotencyKey !== undefined && has("purchaseId")) {
    const named = checked("purchaseId", "text", inNormalForm)
    if (typeof named === "string" && named !== inNormalForm(idempotencyKey)) {
      return malformed("purchaseId and Idempotency-Key differ: send one of them.")
    }
  }
  const purchaseId = has("purchaseId")
    ? checked("purchaseId", "text", purchaseIdField.read)
    : purchaseIdField.read(idempotencyKey ?? newId())
  if (typeof purchaseId !== "string") return purchaseId
  const userId = checked("userId", "text", fields.userId.read)
  if (typeof userId !== "string") return userId
  const productName = checked("productName", "text", fields.productName.read)
  if (typeof productName !== "string") return productName
  const productType = checked("productType", "text", fields.productType.read)
  if (typeof productType !== "string") return productType
  const valueCents = checked("value", "number", fields.value.read)
  if (typeof valueCents !== "bigint") return valueCents
  const quantity = checked("quantity", "number", fields.quantity.read)
  if (typeof quantity !== "number") return quantity
  const purchase = checkedTotal({ purchaseId, userId, productName, productType, valueCents, quantity })
  if (isProblem(purchase) || !has("total")) return purchase
  // Nothing is taken from it: it is held against the exact total.
  const total = checked("total", "number", centsFromDecimal)
  if (typeof total === "object") return total
  return total === purchaseTotal(purchase)
    ? purchase
    : refused(`total must be value times quantity, ${decimalFromCents(purchaseTotal(purchase))}, or be left out.`)
}
