import { type MemberNode, parse, type ValueNode } from "@humanwhocodes/momoa"
import { Schema } from "effect"
import { centsFromDecimal, decimalFromCents, purchaseTotalMax } from "../domain/Money.ts"
import { type Purchase, purchaseTotal } from "../domain/Purchase.ts"
import { Amount } from "./ExactJson.ts"
import {
  type FieldProblem,
  productTextField,
  purchaseIdField,
  quantityField,
  userIdField,
  valueField
} from "./Field.ts"
import { isProblem, type Problem, problem } from "./Problem.ts"

const fields = {
  userId: userIdField,
  productName: productTextField("productName"),
  productType: productTextField("productType"),
  value: valueField,
  quantity: quantityField
}
const required = Object.keys(fields)
const known: ReadonlySet<string> = new Set([...required, "purchaseId", "total"])

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

const jsonText = /"(?:[^"\\]|\\.)*"/g

/** The members of a flat JSON object with the source text of each number, or what is wrong with it. */
const membersOf = (text: string): ReadonlyMap<string, ValueNode> | Problem<FieldProblem> => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    return malformed(`The body is not JSON: ${cause instanceof Error ? cause.message : "unreadable"}.`)
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return malformed("The body must be one JSON object.")
  }
  // Every value is a text or a number. What is nested is refused by the text, where no repeated key can hide it,
  // before the parser below would follow it down.
  if (/[[{]/.test(text.replaceAll(jsonText, "").trim().slice(1))) {
    return malformed("Each field of a purchase must be a text or a number; nothing is nested.")
  }
  // JSON.parse rounds numbers and keeps the last of repeated keys; the tree has both as they were written.
  const tree = parse(text, { mode: "json", ranges: true })
  const members = new Map<string, ValueNode>()
  for (const member of tree.body.type === "Object" ? tree.body.members : []) {
    const name = nameOf(member)
    if (members.has(name)) return malformed(`The key ${name.slice(0, 40)} stands there more than once.`)
    if (!known.has(name)) {
      return malformed(`The field ${JSON.stringify(name.slice(0, 40))} is unknown. Known: ${[...known].join(", ")}.`)
    }
    members.set(name, member.value)
  }
  return members
}

const nameOf = (member: MemberNode): string => (member.name.type === "String" ? member.name.value : member.name.name)

/**
 * Reads one purchase from a JSON text. Amounts are read from the text as it stands, repeated and unknown keys are
 * refused. `idempotencyKey` is the purchase id where the body names none, and `newId` where there is neither.
 */
export const readPurchase = (
  text: string,
  idempotencyKey: string | undefined,
  newId: () => string
): Purchase | Problem<FieldProblem> => {
  const members = membersOf(text)
  if (isProblem(members)) return members
  for (const name of required) if (!members.has(name)) return malformed(`The field ${name} is missing.`)

  const textOf = (name: string): string | Problem<FieldProblem> => {
    const node: ValueNode | undefined = members.get(name)
    return node?.type === "String" ? node.value : malformed(`${name} must be a text.`)
  }
  const numberOf = (name: string): string | Problem<FieldProblem> => {
    const node: ValueNode | undefined = members.get(name)
    return node?.type === "Number" && node.range !== undefined
      ? text.slice(...node.range)
      : malformed(`${name} must be a number.`)
  }
  const check = <A>(
    raw: string | Problem<FieldProblem>,
    rule: (text: string) => A | Problem<FieldProblem>
  ): A | Problem<FieldProblem> => (typeof raw === "string" ? rule(raw) : raw)

  if (members.has("purchaseId") && idempotencyKey !== undefined) {
    const named = textOf("purchaseId")
    if (typeof named === "string" && named !== idempotencyKey) {
      return malformed("purchaseId and Idempotency-Key differ: send one of them.")
    }
  }
  const purchaseId = check(
    members.has("purchaseId") ? textOf("purchaseId") : (idempotencyKey ?? newId()),
    purchaseIdField.read
  )
  if (typeof purchaseId !== "string") return purchaseId
  const userId = check(textOf("userId"), fields.userId.read)
  if (typeof userId !== "string") return userId
  const productName = check(textOf("productName"), fields.productName.read)
  if (typeof productName !== "string") return productName
  const productType = check(textOf("productType"), fields.productType.read)
  if (typeof productType !== "string") return productType
  const valueCents = check(numberOf("value"), fields.value.read)
  if (typeof valueCents !== "bigint") return valueCents
  const quantity = check(numberOf("quantity"), fields.quantity.read)
  if (typeof quantity !== "number") return quantity
  const purchase = checkedTotal({ purchaseId, userId, productName, productType, valueCents, quantity })
  if (isProblem(purchase) || !members.has("total")) return purchase
  const total = check(numberOf("total"), centsFromDecimal)
  if (typeof total === "object") return total
  return total === purchaseTotal(purchase)
    ? purchase
    : refused(`total must be value times quantity, ${decimalFromCents(purchaseTotal(purchase))}, or be left out.`)
}
