import { Exit, Schema } from "effect"
import type { Refusal } from "../account/Account.ts"
import type { Cents } from "../account/Money.ts"
import { entryTotal } from "../account/Entry.ts"
import { type RefusalReason, refusalReasons } from "../account/Reversal.ts"
import type { Revision } from "../account/Revision.ts"

/** The address at which an edge waits for the notices of one message. */
export interface NoticeAddress {
  /** The last token of the edge's own subject. */
  readonly edge: string
  /** The number that the edge gave the message. */
  readonly message: number
}

/**
 * A notice that a purchase or a reversal was applied, or that a reversal was refused. A notice stays true for ever, so
 * it does not matter which worker sends it. Repeats, conflicts and rejected purchases get no notice.
 */
export interface AppliedNotice {
  readonly message: number
  /** The index of the purchase or reversal in the message. */
  readonly index: number
  /** The account's total after the purchase or reversal, in cents. */
  readonly totalAfter: Cents
  /** Why the reversal was refused; left out if it was applied. */
  readonly refusal?: RefusalReason
}

/** The most notices of one payload. A worker with more than {@link noticesMax} notices sends several payloads. */
export const noticesMax = 1_000

const addressText = /^([A-Za-z0-9]{1,32})\.([1-9][0-9]{0,14})$/

/** Writes an address as `<edge>.<message>`. */
export const encodeNoticeAddress = ({ edge, message }: NoticeAddress): string => `${edge}.${message}`

/**
 * Decodes an address. Returns `undefined` if the text is malformed. Anyone may publish a purchase with any address. The
 * check of the address makes sure that notices go only to subjects of edges.
 */
export const decodeNoticeAddress = (text: string): NoticeAddress | undefined => {
  const [, edge, message] = addressText.exec(text) ?? []
  return edge === undefined ? undefined : { edge, message: Number(message) }
}

const Notices = Schema.fromJsonString(
  Schema.Array(
    Schema.Tuple([
      Schema.Number,
      Schema.Number,
      Schema.BigIntFromString,
      Schema.optionalKey(Schema.Literals(refusalReasons))
    ])
  ).check(Schema.isMaxLength(noticesMax))
)
const decode = Schema.decodeUnknownExit(Notices)

const tupleOf = ({ message, index, totalAfter, refusal }: AppliedNotice) => {
  const total = totalAfter.toString()
  return refusal === undefined ? [message, index, total] : [message, index, total, refusal]
}

/** Writes notices as a JSON array of tuples. */
export const encodeNotices = (notices: ReadonlyArray<AppliedNotice>): string => JSON.stringify(notices.map(tupleOf))

/**
 * Decodes a payload of notices. Returns an empty list if the payload is malformed, because an edge asks for the outcome
 * if a notice is missing.
 */
export const decodeNotices = (payload: string): ReadonlyArray<AppliedNotice> => {
  const read = decode(payload)
  if (Exit.isFailure(read)) return []
  return read.value.map(([message, index, totalAfter, refusal]) =>
    refusal === undefined ? { message, index, totalAfter } : { message, index, totalAfter, refusal }
  )
}

/**
 * Returns a notice for each entry of a revision whose message has an address, together with the edge to tell.
 * `addresses` has the notice addresses of input messages, by their input sequence.
 */
export const noticesOf = (
  revision: Pick<Revision, "total" | "purchases">,
  addresses: ReadonlyMap<number, NoticeAddress>
): Array<{ readonly edge: string; readonly notice: AppliedNotice }> => {
  const notices = []
  let totalAfter = revision.total
  for (const purchase of revision.purchases.toReversed()) {
    const address = addresses.get(purchase.inputSequence)
    if (address !== undefined) {
      const { edge, message } = address
      notices.push({ edge, notice: { message, index: purchase.inputIndex, totalAfter } })
    }
    totalAfter -= entryTotal(purchase)
  }
  return notices
}

/** Returns a notice for each refused reversal whose message has an address, together with the edge to tell. */
export const refusalNoticesOf = (
  refusals: ReadonlyArray<Refusal>,
  addresses: ReadonlyMap<number, NoticeAddress>
): Array<{ readonly edge: string; readonly notice: AppliedNotice }> =>
  refusals.flatMap(({ delivered, reason, totalAfter }) => {
    const address = addresses.get(delivered.inputSequence)
    if (address === undefined) return []
    const { edge, message } = address
    return [{ edge, notice: { message, index: delivered.inputIndex, totalAfter, refusal: reason } }]
  })
