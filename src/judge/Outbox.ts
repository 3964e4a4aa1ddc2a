import { Latch } from "effect"
import type { AlertPosition } from "../protocol/AlertPosition.ts"
import { type AlertMessage, alertBytesMax, alertMessagesMax } from "../nats/AlertStream.ts"

/** A message of alerts that waits in the outbox. `number` counts the messages of one commit, from 1. */
interface Waiting extends AlertMessage {
  readonly sequence: number
  readonly number: number
}

/** The messages of one batch, and the position of the shard that is stored with the messages. */
export interface Batch {
  readonly messages: ReadonlyArray<AlertMessage>
  readonly position: AlertPosition
}

/** The bounds of one batch of messages with alerts. */
export interface BatchBounds {
  readonly messagesMax: number
  readonly bytesMax: number
}

const bounds: BatchBounds = { messagesMax: alertMessagesMax, bytesMax: alertBytesMax }

const isSame = (one: AlertPosition, other: AlertPosition): boolean =>
  one.through === other.through && one.messages === other.messages

/**
 * The messages with the found alerts of one shard that are not stored yet, in the order of the journal. The outbox
 * stands between the fold, which adds messages, and the writer, which takes batches of messages.
 */
export class Outbox {
  private readonly bounds: BatchBounds
  private waiting: Array<Waiting> = []
  private waitingBytes = 0
  private taken: AlertPosition
  /** The sequence of the journal up to which all purchases are judged and all messages were added to the outbox. */
  private judgedThrough: number
  /**
   * The commit that is being judged. `added` counts the messages of the commit that were added, or were stored before
   * the run began.
   */
  private inHand: { readonly sequence: number; added: number }
  private readonly storedBefore: AlertPosition
  /** The latch `hasMessages` is open while messages of a whole commit wait, and while the outbox is full. */
  readonly hasMessages = Latch.makeUnsafe(false)
  /** The latch `hasProgress` is open while the position of the shard can move. */
  readonly hasProgress = Latch.makeUnsafe(false)
  /** The latch `hasRoom` is open while a message may be added to the outbox. */
  readonly hasRoom = Latch.makeUnsafe(true)

  /** Makes an outbox that continues behind a stored position. */
  constructor(stored: AlertPosition, batch = bounds) {
    this.bounds = batch
    this.taken = stored
    this.storedBefore = stored
    this.judgedThrough = stored.through
    this.inHand = { sequence: stored.through + 1, added: stored.messages }
  }

  /** Begins to take the messages of a commit. Returns the number of messages of the commit that are stored already. */
  begin(sequence: number): number {
    const { through, messages } = this.storedBefore
    const stored = sequence === through + 1 ? messages : 0
    this.inHand = { sequence, added: stored }
    return stored
  }

  /** Adds the next message of the commit that is being judged. */
  add(message: AlertMessage): void {
    const { sequence } = this.inHand
    this.inHand.added += 1
    this.waiting.push({ ...message, sequence, number: this.inHand.added })
    this.waitingBytes += message.text.length
    const { messagesMax, bytesMax } = this.bounds
    if (this.waiting.length < messagesMax && this.waitingBytes < bytesMax) return
    this.hasRoom.closeUnsafe()
    this.openProgress()
  }

  /**
   * Takes note that the journal is judged up to a sequence, and that all messages with alerts up to the sequence were
   * added.
   */
  judged(sequence: number): void {
    this.judgedThrough = sequence
    if (!isSame(this.position(), this.taken) || this.waiting.length > 0) this.openProgress()
  }

  /** Takes the next batch of messages. If no message waits, the batch has only the newest position of the shard. */
  take(): Batch {
    const { messagesMax, bytesMax } = this.bounds
    let bytes = 0
    let count = 0
    for (const { text } of this.waiting) {
      if (count === messagesMax || (count > 0 && bytes + text.length > bytesMax)) break
      bytes += text.length
      count += 1
    }
    const messages = this.waiting.slice(0, count).map(({ ownerToken, text }) => ({ ownerToken, text }))
    this.waiting = this.waiting.slice(count)
    this.waitingBytes -= bytes
    this.taken = this.position()
    this.hasProgress.closeUnsafe()
    this.hasMessages.closeUnsafe()
    if (this.waiting.length > 0) this.openProgress()
    this.hasRoom.openUnsafe()
    return { messages, position: this.taken }
  }

  private openProgress(): void {
    this.hasProgress.openUnsafe()
    if (this.waiting.length > 0) this.hasMessages.openUnsafe()
  }

  /** Returns the position of the shard up to which no message waits in the outbox. */
  private position(): AlertPosition {
    const [next] = this.waiting
    if (next !== undefined) return { through: next.sequence - 1, messages: next.number - 1 }
    const { sequence, added } = this.inHand
    return sequence > this.judgedThrough && added > 0
      ? { through: sequence - 1, messages: added }
      : { through: this.judgedThrough, messages: 0 }
  }
}
