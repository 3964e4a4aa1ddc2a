import { Exit, Schema } from "effect"
import { failureOf } from "../runtime/ExitFailure.ts"
import { jsonText } from "./JsonText.ts"
import { Purchase, readPurchase } from "../account/Purchase.ts"

/** The most purchases that one message of the input log carries. */
export const messagePurchasesMax = 500

const version = 1
const MessageShape = Schema.Struct({
  version: Schema.Literal(version),
  purchases: Schema.Array(Schema.Unknown).check(Schema.isMinLength(1), Schema.isMaxLength(messagePurchasesMax))
})

const decodeShape = Schema.decodeUnknownExit(MessageShape)
const decodePurchase = Schema.decodeUnknownExit(Purchase)
const utf8 = new TextDecoder("utf-8", { fatal: true })

/** A part of a message that cannot be applied, with its payload and the reason for people. */
export interface Unreadable {
  /** The index of the purchase in the message; 0 if the whole message is unreadable. */
  readonly index: number
  readonly reason: string
  readonly payload: string
  readonly encoding: "text" | "base64"
}

/** The parts of a message of the input log. */
export interface DecodedMessage {
  /** The readable purchases, each with its index in the message. */
  readonly purchases: ReadonlyArray<{ readonly index: number; readonly purchase: Purchase }>
  /** The parts that cannot be applied. */
  readonly unreadable: ReadonlyArray<Unreadable>
}

/**
 * Writes one purchase as JSON, for {@link encodePurchases}. An edge writes every purchase, so this avoids
 * `JSON.stringify`.
 */
export const encodePurchaseText = (purchase: Purchase): string =>
  `{"purchaseId":${jsonText(purchase.purchaseId)},"userId":${jsonText(purchase.userId)},"productName":${jsonText(purchase.productName)},"productType":${jsonText(purchase.productType)},"valueCents":${purchase.valueCents},"quantity":${purchase.quantity}}`

/** Writes the payload of a message from the JSON texts of its purchases. */
export const encodePurchases = (texts: ReadonlyArray<string>): string =>
  `{"version":${version},"purchases":[${texts.join(",")}]}`

const reasonOf = (exit: Exit.Exit<unknown, Schema.SchemaError>): string => failureOf(exit)?.message ?? "unreadable"

// A rejected record has to fit into one message, as the input message did. JSON may write one byte as six, and then
// base64 is shorter.
const kept = (bytes: Uint8Array, text: string | undefined): Pick<Unreadable, "payload" | "encoding"> =>
  text !== undefined && JSON.stringify(text).length <= bytes.length * 1.4 + 16
    ? { payload: text, encoding: "text" }
    : { payload: Buffer.from(bytes).toString("base64"), encoding: "base64" }

const whole = (reason: string, bytes: Uint8Array, text?: string): DecodedMessage => ({
  purchases: [],
  unreadable: [{ index: 0, reason, ...kept(bytes, text) }]
})

const textOf = (payload: Uint8Array): string | undefined => {
  try {
    return utf8.decode(payload)
  } catch {
    return undefined
  }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const keptCandidate = (candidate: unknown) => {
  const text = JSON.stringify(candidate)
  return kept(Buffer.from(text), text)
}

/** Decodes a message of the input log. It never fails. Unreadable parts are in the result, with the reason. */
export const decodePurchases = (payload: Uint8Array): DecodedMessage => {
  const text = textOf(payload)
  if (text === undefined) return whole("the message is not UTF-8", payload)
  const json = parse(text)
  if (json === undefined) return whole("the message is not JSON", payload, text)
  const shape = decodeShape(json)
  if (Exit.isFailure(shape)) return whole(reasonOf(shape), payload, text)
  const purchases: Array<{ index: number; purchase: Purchase }> = []
  const unreadable: Array<Unreadable> = []
  for (const [index, candidate] of shape.value.purchases.entries()) {
    const read = readPurchase(candidate)
    if (read !== undefined) {
      purchases.push({ index, purchase: read })
      continue
    }
    const purchase = decodePurchase(candidate)
    if (Exit.isSuccess(purchase)) purchases.push({ index, purchase: purchase.value })
    else unreadable.push({ index, reason: reasonOf(purchase), ...keptCandidate(candidate) })
  }
  return { purchases, unreadable }
}
