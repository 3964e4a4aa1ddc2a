import { Exit, Schema } from "effect"
import type { Cents } from "../account/Money.ts"
import { purchaseTotal } from "../account/Purchase.ts"
import type { Revision } from "../account/Revision.ts"

/** Where an edge wants to hear that the purchases of one of its messages are applied. */
export interface NoticeAddress {
  /** The last token of the edge's own subject. */
  readonly edge: string
  /** The edge's number of the message. */
  readonly message: number
}

/** A purchase was applied: true for ever, whoever says it. What came again or was refused gets no notice. */
export interface AppliedNotice {
  readonly message: number
  /** The purchase's index in the message. */
  readonly index: number
  /** The account's total after it. */
  readonly totalAfter: Cents
}

/** The most notices of one payload; a worker sends more of them in several. */
export const noticesMax = 1_000

const addressText = /^([A-Za-z0-9]{1,32})\.([1-9][0-9]{0,14})$/

export const encodeNoticeAddress = ({ edge, message }: NoticeAddress): string => `${edge}.${message}`

/** Reads an address; nothing when it is none, because anyone may publish a purchase, and a notice has no other subject. */
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

export const encodeNotices = (notices: ReadonlyArray<AppliedNotice>): string =>
  JSON.stringify(notices.map(({ message, index, totalAfter }) => [message, index, totalAfter.toString()]))

/** Reads a payload of notices; none where it is not readable, for a notice that is lost is asked for. */
export const decodeNotices = (payload: string): ReadonlyArray<AppliedNotice> => {
  const read = decode(payload)
  return Exit.isSuccess(read) ? read.value.map(([message, index, totalAfter]) => ({ message, index, totalAfter })) : []
}

/** What a revision has to tell to whom; `addresses` are those of the input messages that want to be told. */
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
