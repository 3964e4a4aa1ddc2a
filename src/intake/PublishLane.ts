import { createHash } from "node:crypto"
import { type EntryRequest, isReversalRequest } from "../account/Entry.ts"
import { contentFingerprint } from "../account/Purchase.ts"
import { encodePurchases, encodeRequestText, messagePurchasesMax } from "../protocol/PurchaseMessage.ts"
import { encodeToken, groupSubject, purchaseSubject } from "../protocol/Subject.ts"
import type { NoticeListener } from "./NoticeInbox.ts"
import type { PublishCall } from "./PublishCall.ts"

// The bytes of a message around its purchases: the version and the brackets. The comma after a purchase counts as a
// byte of the purchase.
const frameBytes = 64
// The most bytes of UTF-8 for one UTF-16 unit. An exact count of the bytes would have to go through each text.
const unitBytesMax = 3

/** A purchase or a reversal that waits in a lane, or is on its way to the broker. */
export interface WaitingPurchase {
  readonly userToken: string
  readonly request: EntryRequest
  readonly call: PublishCall
  /** The index of the purchase in its call, from 0. */
  readonly index: number
  /** Is called when the notice of the purchase comes; `undefined` if the caller waits for no notice. */
  readonly notice: NoticeListener | undefined
}

/** The purchases of one message. */
export interface PublishGroup {
  readonly members: ReadonlyArray<WaitingPurchase>
  readonly subject: string
  readonly messageId: string
  readonly payload: string
}

/**
 * Returns the id of a message. The id depends on the content alone, so the broker drops a message that comes a second
 * time. The id of a message with one purchase is made of the user, the purchase id and the fingerprint of the content.
 * The id of a message with several purchases is a digest of the message's payload. If the broker has to store every
 * copy of a purchase, the id is random. The id of a message with a reversal is random, because a caller may send a
 * refused reversal again for a new decision.
 */
const messageIdOf = (members: ReadonlyArray<WaitingPurchase>, payload: string): string => {
  const [{ request, userToken } = {}] = members
  if (members.some(({ call, request }) => call.storeEveryCopy || isReversalRequest(request))) return crypto.randomUUID()
  if (members.length > 1 || request === undefined || isReversalRequest(request)) {
    return createHash("sha256").update(payload).digest("base64url")
  }
  return `${userToken}.${encodeToken(request.purchaseId)}.${contentFingerprint(request).toString(36)}`
}

/** The purchases and reversals of one partition that wait at an edge, in the order in which they came. */
export class PublishLane {
  private readonly partition: number
  private readonly queue: Array<WaitingPurchase> = []
  /**
   * Whether a message of this lane is in flight. The next message of the lane waits until the broker has answered the
   * message in flight. The wait for the answer keeps the order of the purchases.
   */
  isPublishing = false

  constructor(partition: number) {
    this.partition = partition
  }

  /** The number of purchases that wait in the lane. */
  get length(): number {
    return this.queue.length
  }

  /** Whether the edge can send a message of this lane now. */
  get isReady(): boolean {
    return !this.isPublishing && this.queue.length > 0
  }

  /** Adds a purchase at the end of the lane. */
  push(waiting: WaitingPurchase): void {
    this.queue.push(waiting)
  }

  /** Removes and returns all purchases that wait in the lane. */
  takeAll(): ReadonlyArray<WaitingPurchase> {
    return this.queue.splice(0)
  }

  /**
   * Removes the purchases and reversals of the next message from the lane. The purchases and reversals fit into
   * `bytesMax` bytes together, unless the first purchase or reversal alone is larger.
   */
  takeGroup(bytesMax: number): PublishGroup {
    const { members, payload } = this.takeNext(bytesMax)
    const only = members.length === 1 ? members[0] : undefined
    const subject = only === undefined ? groupSubject(this.partition) : purchaseSubject(this.partition, only.userToken)
    return { members, subject, messageId: messageIdOf(members, payload), payload }
  }

  private takeNext(bytesMax: number): Pick<PublishGroup, "members" | "payload"> {
    const texts: Array<string> = []
    let bytes = frameBytes
    for (const { request } of this.queue) {
      const text = encodeRequestText(request)
      bytes += (text.length + 1) * unitBytesMax
      if (texts.length > 0 && (bytes > bytesMax || texts.length === messagePurchasesMax)) break
      texts.push(text)
    }
    return { members: this.queue.splice(0, texts.length), payload: encodePurchases(texts) }
  }
}
