import { type MemberNode, parse, type ValueNode } from "@humanwhocodes/momoa"
import {
  productTextProblem,
  type PurchaseId,
  purchaseIdProblem,
  type UserId,
  userIdProblem
} from "../domain/Identifier.ts"
import {
  type Cents,
  centsFromDecimal,
  decimalFromCents,
  purchaseTotalMax,
  quantityMax,
  valueMax
} from "../domain/Money.ts"
import { type Purchase, purchaseTotal } from "../domain/Purchase.ts"
import { isProblem, type Problem, problem } from "./Problem.ts"

const required = ["userId", "productName", "productType", "value", "quantity"] as const
const known: ReadonlySet<string> = new Set([...required, "purchaseId", "total"])

const malformed = (detail: string): Problem => problem("malformed-request", detail)
const refused = (detail: string): Problem => problem("refused-by-rules", detail)

/** A text in normalization form C, or what is wrong with it. */
const checkedText = <Text extends string>(
  name: string,
  text: string,
  rule: (text: string) => string | undefined
): Text | Problem => {
  const normal = text.normalize("NFC")
  const wrong = rule(normal)
  return wrong === undefined ? (normal as Text) : refused(`${name} ${wrong}.`)
}

export const checkedUserId = (text: string): UserId | Problem => checkedText("userId", text, userIdProblem)
export const checkedPurchaseId = (text: string): PurchaseId | Problem =>
  checkedText("purchaseId", text, purchaseIdProblem)
export const checkedProductText = (name: string, text: string): string | Problem =>
  checkedText(name, text, productTextProblem)

const decimalProblems = {
  exponent: "is not a plain decimal number: write it without an exponent, like 12.50",
  places: "has more than two decimal places",
  size: `is out of range`
}

/** An amount from the text of a JSON number, exactly. */
const checkedAmount = (name: string, text: string, max: Cents): Cents | Problem => {
  const cents = centsFromDecimal(text)
  if (typeof cents === "string") return refused(`${name} ${text.slice(0, 40)} ${decimalProblems[cents]}.`)
  if (cents <= 0n) return refused(`${name} must be above 0, and is ${text}.`)
  return cents > max ? refused(`${name} must be at most ${decimalFromCents(max)}, and is ${text}.`) : cents
}

export const checkedValue = (text: string): Cents | Problem => checkedAmount("value", text, valueMax)

export const checkedQuantity = (text: string): number | Problem => {
  const whole = /^-?[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN
  return whole >= 1 && whole <= quantityMax
    ? whole
    : refused(`quantity must be a whole number from 1 to ${quantityMax}, and is ${text.slice(0, 40)}.`)
}

/** Holds the total of a purchase against its bound. */
export const checkedTotal = <P extends Pick<Purchase, "valueCents" | "quantity">>(purchase: P): P | Problem =>
  purchaseTotal(purchase) <= purchaseTotalMax
    ? purchase
    : refused(`value times quantity must be at most ${decimalFromCents(purchaseTotalMax)}.`)

const jsonText = /"(?:[^"\\]|\\.)*"/g

/** The members of a flat JSON object with the source text of each number, or what is wrong with it. */
const membersOf = (text: string): ReadonlyMap<string, ValueNode> | Problem => {
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
): Purchase | Problem => {
  const members = membersOf(text)
  if (isProblem(members)) return members
  for (const name of required) if (!members.has(name)) return malformed(`The field ${name} is missing.`)

  const textOf = (name: string): string | Problem => {
    const node: ValueNode | undefined = members.get(name)
    return node?.type === "String" ? node.value : malformed(`${name} must be a text.`)
  }
  const numberOf = (name: string): string | Problem => {
    const node: ValueNode | undefined = members.get(name)
    return node?.type === "Number" && node.range !== undefined
      ? text.slice(...node.range)
      : malformed(`${name} must be a number.`)
  }
  const check = <A>(raw: string | Problem, rule: (text: string) => A | Problem): A | Problem =>
    typeof raw === "string" ? rule(raw) : raw

  if (members.has("purchaseId") && idempotencyKey !== undefined) {
    const named = textOf("purchaseId")
    if (typeof named === "string" && named !== idempotencyKey) {
      return malformed("purchaseId and Idempotency-Key differ: send one of them.")
    }
  }
  const purchaseId = check(
    members.has("purchaseId") ? textOf("purchaseId") : (idempotencyKey ?? newId()),
    checkedPurchaseId
  )
  if (typeof purchaseId !== "string") return purchaseId
  const userId = check(textOf("userId"), checkedUserId)
  if (typeof userId !== "string") return userId
  const productName = check(textOf("productName"), (raw) => checkedProductText("productName", raw))
  if (typeof productName !== "string") return productName
  const productType = check(textOf("productType"), (raw) => checkedProductText("productType", raw))
  if (typeof productType !== "string") return productType
  const valueCents = check(numberOf("value"), checkedValue)
  if (typeof valueCents !== "bigint") return valueCents
  const quantity = check(numberOf("quantity"), checkedQuantity)
  if (typeof quantity !== "number") return quantity
  const purchase = checkedTotal({ purchaseId, userId, productName, productType, valueCents, quantity })
  if (isProblem(purchase) || !members.has("total")) return purchase
  const total = check(numberOf("total"), centsFromDecimal)
  if (typeof total === "object") return total
  return total === purchaseTotal(purchase)
    ? purchase
    : refused(`total must be value times quantity, ${decimalFromCents(purchaseTotal(purchase))}, or be left out.`)
}
