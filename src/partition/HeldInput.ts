import { type Effect, Latch } from "effect"

/** The most messages of one partition that a worker holds. At this number of messages the worker does not pull. */
export const heldMessagesMax = 512

interface Amount {
  readonly messages: number
  readonly bytes: number
}

/** Counts the input of a partition that its worker holds: delivered, and not wholly committed. */
export class HeldInput {
  private heldMessages = 0
  private heldBytes = 0
  private readonly empty = Latch.makeUnsafe(true)
  private readonly bytesMax: number

  /**
   * `bytesMax` is the partition's share of the bytes that its worker may hold. One oversized message may come on top of
   * this share.
   */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get isEmpty(): boolean {
    return this.heldMessages === 0
  }

  /** Counts a message that was delivered. */
  take(bytes: number): void {
    this.heldMessages += 1
    this.heldBytes += bytes
    this.empty.closeUnsafe()
  }

  /** Counts a message that is wholly committed. */
  release(bytes: number): void {
    this.heldMessages -= 1
    this.heldBytes -= bytes
    if (this.isEmpty) this.empty.openUnsafe()
  }

  /**
   * Returns the numbers of messages and bytes to ask the broker for. The messages and bytes of `outstanding` were asked
   * for and have not come yet. Returns `undefined` while less than half of the room is free. One request for half of
   * the room is cheaper than one request after each message that is committed.
   */
  wanted(outstanding: Amount): Amount | undefined {
    const messages = heldMessagesMax - this.heldMessages - outstanding.messages
    const bytes = this.bytesMax - this.heldBytes - outstanding.bytes
    return messages * 2 >= heldMessagesMax && bytes * 2 >= this.bytesMax ? { messages, bytes } : undefined
  }

  /** Waits until nothing is held. */
  get emptied(): Effect.Effect<void> {
    return this.empty.await
  }
}
