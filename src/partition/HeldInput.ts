import { type Effect, Latch } from "effect"

/**
 * The most messages of one partition that a worker holds. A worker that holds {@link heldMessagesMax} messages of a
 * partition makes no pull request for the partition.
 */
export const heldMessagesMax = 512

interface Amount {
  readonly messages: number
  readonly bytes: number
}

/** Counts the messages of a partition that a worker holds: messages that are delivered, and not wholly committed. */
export class HeldInput {
  private heldMessages = 0
  private heldBytes = 0
  private readonly empty = Latch.makeUnsafe(true)
  private readonly bytesMax: number

  /**
   * `bytesMax` is the partition's share of the bytes that a worker may hold. One oversized message may come in addition
   * to `bytesMax`.
   */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get isEmpty(): boolean {
    return this.heldMessages === 0
  }

  /** Counts a delivered message of `bytes` bytes. */
  take(bytes: number): void {
    this.heldMessages += 1
    this.heldBytes += bytes
    this.empty.closeUnsafe()
  }

  /** Counts a wholly committed message of `bytes` bytes. */
  release(bytes: number): void {
    this.heldMessages -= 1
    this.heldBytes -= bytes
    if (this.isEmpty) this.empty.openUnsafe()
  }

  /**
   * Returns the numbers of messages and bytes for the next pull request. `outstanding` has the messages and bytes that
   * were requested and have not come yet. Returns `undefined` while less than half of the room is free, because many
   * small pull requests would cost more.
   */
  wanted(outstanding: Amount): Amount | undefined {
    const messages = heldMessagesMax - this.heldMessages - outstanding.messages
    const bytes = this.bytesMax - this.heldBytes - outstanding.bytes
    return messages * 2 >= heldMessagesMax && bytes * 2 >= this.bytesMax ? { messages, bytes } : undefined
  }

  /** Waits until the worker holds no message of the partition. */
  get emptied(): Effect.Effect<void> {
    return this.empty.await
  }
}
