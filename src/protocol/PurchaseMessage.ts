import { Exit, Schema } from "effect"
import { failureOf } from "../runtime/ExitFailure.ts"
import { jsonText } from "./JsonText.ts"
import { type EntryRequest, isReversalRequest } from "../account/Entry.ts"
import { Purchase, readPurchase } from "../account/Purchase.ts"
import { isReversal, readReversal, Reversal } from "../account/Reversal.ts"

/** The most purchases and reversals that one message of the input log carries. */
export const messagePurchasesMax = 500

const version = 1
const MessageShape = Schema.Struct({
  version: Schema.Literal(version),
  purchases: Schema.Array(Schema.Unknown).check(Schema.isMinLength(1), Schema.isMaxLength(messagePurchasesMax))
})

const decodeShape = Schema.decodeUnknownExit(MessageShape)
const decodePurchase = Schema.decodeUnknownExit(Purchase)
const decodeReversal = Schema.decodeUnknownExit(Reversal)
const utf8 = new TextDecoder("utf-8", { fatal: true })

/** A part of a message that cannot be applied, with its payload and the reason for people. */
export interface Unreadable {
  /** The index of the purchase or reversal in the message; 0 if the whole message is unreadable. */
  readonly index: number
  readonly reason: string
  readonly payload: string
  readonly encoding: "text" | "base64"
}

/** A purchase or a reversal of a message. `index` is the index of the purchase or reversal in the message. */
export type DecodedRequest =
  | { readonly index: number; readonly purchase: Purchase; readonly reversal?: undefined }
  | { readonly index: number; readonly reversal: Reversal; readonly purchase?: undefined }

/** The parts of a message of the input log. */
export interface DecodedMessage {
  /** The readable purchases and reversals, in the order of the message. */
  readonly purchases: ReadonlyArray<DecodedRequest>
  /** The parts that cannot be applied. */
  readonly unreadable: ReadonlyArray<Unreadable>
}

/**
 * Writes one purchase as JSON, for {@link encodePurchases}. An edge writes every purchase, so this function avoids
 * `JSON.stringify`.
 */
export const encodePurchaseText = (purchase: Purchase): string =>
  `{"purchaseId":${jsonText(purchase.purchaseId)},"userId":${jsonText(purchase.userId)},"productName":${jsonText(purchase.productName)},"productType":${jsonText(purchase.productType)},"valueCents":${purchase.valueCents},"quantity":${purchase.quantity}}`

/** Writes one reversal as JSON, for {@link encodePurchases}. */
export const encodeReversalText = ({ reversalId, userId, purchaseId, quantity, reason }: Reversal): string =>
  JSON.stringify({ reversalId, userId, purchaseId, quantity, reason })

/** Writes one purchase or reversal as JSON, for {@link encodePurchases}. */
export const encodeRequestText = (request: EntryRequest): string =>
  isReversalRequest(request) ? encodeReversalText(request) : encodePurchaseText(request)

/** Writes the payload of a message from the JSON texts of its purchases and reversals. */
export const encodePurchases = (texts: ReadonlyArray<string>): string =>
  `{"version":${version},"purchases":[${texts.join(",")}]}`

const reasonOf = (exit: Exit.Exit<unknown, Schema.SchemaError>): string => failureOf(exit)?.message ?? "unreadable"

// A rejected record has to fit into one message, as the input message did. JSON may write one byte as six bytes, and
// base64 is shorter for such bytes.
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

/**
 * Returns a purchase or a reversal of a message. If a part of the message cannot be read, returns the part with the
 * reason.
 */
const requestOf = (index: number, candidate: unknown): DecodedRequest | Unreadable => {
  if (isReversal(candidate)) {
    const reversal = readReversal(candidate)
    if (reversal !== undefined) return { index, reversal }
    return { index, reason: reasonOf(decodeReversal(candidate)), ...keptCandidate(candidate) }
  }
  const purchase = readPurchase(candidate)
  if (purchase !== undefined) return { index, purchase }
  const decoded = decodePurchase(candidate)
  if (Exit.isSuccess(decoded)) return { index, purchase: decoded.value }
  return { index, reason: reasonOf(decoded), ...keptCandidate(candidate) }
}

/**
 * Decodes a message of the input log. The decoding never fails: unreadable parts are in the result, with the reason.
 */
export const decodePurchases = (payload: Uint8Array): DecodedMessage => {
  const text = textOf(payload)
  if (text === undefined) return whole("the message is not UTF-8", payload)
  const json = parse(text)
  if (json === undefined) return whole("the message is not JSON", payload, text)
  const shape = decodeShape(json)
  if (Exit.isFailure(shape)) return whole(reasonOf(shape), payload, text)
  const purchases: Array<DecodedRequest> = []
  const unreadable: Array<Unreadable> = []
  for (const [index, candidate] of shape.value.purchases.entries()) {
    const request = requestOf(index, candidate)
    if ("reason" in request) unreadable.push(request)
    else purchases.push(request)
  }
  return { purchases, unreadable }
}
