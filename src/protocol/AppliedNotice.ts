import { Exit, Schema } from "effect"
import type { Cents } from "../account/Money.ts"
import { purchaseTotal } from "../account/Purchase.ts"
import type { Revision } from "../account/Revision.ts"

/** The address at which an edge waits for the notices of one message. */
export interface NoticeAddress {
  /** The last token of the edge's own subject. */
  readonly edge: string
  /** The number that the edge gave the message. */
  readonly message: number
}

/**
 * A notice that a purchase was applied. A notice stays true for ever, so it does not matter which worker sends it.
 * Repeats, conflicts and rejected purchases get no notice.
 */
export interface AppliedNotice {
  readonly message: number
  /** The purchase's index in the message. */
  readonly index: number
  /** The account's total after the purchase, in cents. */
  readonly totalAfter: Cents
}

/** The most notices of one payload. A worker sends several payloads for more. */
export const noticesMax = 1_000

const addressText = /^([A-Za-z0-9]{1,32})\.([1-9][0-9]{0,14})$/

/** Writes an address as `<edge>.<message>`. */
export const encodeNoticeAddress = ({ edge, message }: NoticeAddress): string => `${edge}.${message}`

/**
 * Decodes an address. Returns `undefined` if the text is malformed. Anyone may publish a purchase with any address, so
 * the check keeps notices from going to other subjects than those of edges.
 */
export const decodeNoticeAddress = (text: string): NoticeAddress | undefined => {
  const [, edge, message] = addressText.exec(text) ?? []
  return edge === undefined ? undefined : { edge, message: Number(message) }
}

const Notices = Schema.fromJsonString(
  Schema.Array(Schema.Tuple([Schema.Number, Schema.Number, Schema.BigIntFromString])).check(
    Schema.isMaxLength(noticesMax)
  )
)
const decode = Schema.decodeUnknownExit(Notices)

/** Writes notices as a JSON array of tuples. */
export const encodeNotices = (notices: ReadonlyArray<AppliedNotice>): string =>
  JSON.stringify(notices.map(({ message, index, totalAfter }) => [message, index, totalAfter.toString()]))

/**
 * Decodes a payload of notices. Returns an empty list if it is malformed, because an edge asks for the outcome if a
 * notice is missing.
 */
export const decodeNotices = (payload: string): ReadonlyArray<AppliedNotice> => {
  const read = decode(payload)
  return Exit.isSuccess(read) ? read.value.map(([message, index, totalAfter]) => ({ message, index, totalAfter })) : []
}

/**
 * Returns a notice for each purchase of a revision whose message has an address, together with the edge to tell.
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
    totalAfter -= purchaseTotal(purchase)
  }
  return notices
}
