import { createHash } from "node:crypto"
import { contentFingerprint, type Purchase } from "../account/Purchase.ts"
import { encodePurchases, encodePurchaseText, messagePurchasesMax } from "../protocol/PurchaseMessage.ts"
import { encodeToken, groupSubject, purchaseSubject } from "../protocol/Subject.ts"
import type { NoticeListener } from "./NoticeInbox.ts"
import type { PublishCall } from "./PublishCall.ts"

// The bytes of a message around its purchases: the version and the brackets. Each comma is counted with its purchase.
const frameBytes = 64
// The most bytes of UTF-8 for one UTF-16 unit. An exact count would cost a pass over each text.
const unitBytesMax = 3

/** A purchase that waits in a lane, or is on its way to the broker. */
export interface WaitingPurchase {
  readonly userToken: string
  readonly purchase: Purchase
  readonly call: PublishCall
  /** The index of the purchase in its call, from 0. */
  readonly index: number
  /** Hears the notice that the purchase is applied; `undefined` if the caller waits for no notice. */
  readonly notice: NoticeListener | undefined
}

/** The purchases of one message. */
export interface PublishGroup {
  readonly members: ReadonlyArray<WaitingPurchase>
  readonly subject: string
  readonly messageId: string
  readonly payload: string
}

/** The purchases of one partition that wait at an edge, in the order in which they came. */
export class PublishLane {
  private readonly partition: number
  private readonly queue: Array<WaitingPurchase> = []
  /**
   * Whether a message of this lane is in flight. The next message waits until that message is answered, which keeps the
   * order of the purchases.
   */
  isPublishing = false

  constructor(partition: number) {
    this.partition = partition
  }

  /** The number of purchases that wait in the lane. */
  get length(): number {
    return this.queue.length
  }

  /** Whether a message can be sent now. */
  get isReady(): boolean {
    return !this.isPublishing && this.queue.length > 0
  }

  /** Adds a purchase at the end. */
  push(waiting: WaitingPurchase): void {
    this.queue.push(waiting)
  }

  /** Removes and returns all purchases that wait in the lane. */
  takeAll(): ReadonlyArray<WaitingPurchase> {
    return this.queue.splice(0)
  }

  /**
   * Removes the purchases of the next message from the lane. Together they fit into `bytesMax` bytes, unless the first
   * purchase alone is larger. The message id depends on the content alone, so the broker drops the same message if it
   * comes again. The id of a message with one purchase is made of the user, the purchase id and the fingerprint of the
   * content. The id of a message with several purchases is a digest of its payload. If every copy has to be stored, the
   * message gets a random id.
   */
  takeGroup(bytesMax: number): PublishGroup {
    const { members, payload } = this.takeNext(bytesMax)
    const only = members.length === 1 ? members[0] : undefined
    const subject = only === undefined ? groupSubject(this.partition) : purchaseSubject(this.partition, only.userToken)
    if (members.some(({ call }) => call.storeEveryCopy)) {
      return { members, subject, messageId: crypto.randomUUID(), payload }
    }
    if (only === undefined) {
      return { members, subject, messageId: createHash("sha256").update(payload).digest("base64url"), payload }
    }
    const { purchaseId } = only.purchase
    const messageId = `${only.userToken}.${encodeToken(purchaseId)}.${contentFingerprint(only.purchase).toString(36)}`
    return { members, subject, messageId, payload }
  }

  private takeNext(bytesMax: number): Pick<PublishGroup, "members" | "payload"> {
    const texts: Array<string> = []
    let bytes = frameBytes
    for (const { purchase } of this.queue) {
      const text = encodePurchaseText(purchase)
      bytes += (text.length + 1) * unitBytesMax
      if (texts.length > 0 && (bytes > bytesMax || texts.length === messagePurchasesMax)) break
      texts.push(text)
    }
    return { members: this.queue.splice(0, texts.length), payload: encodePurchases(texts) }
  }
}
