import { type Effect, Latch } from "effect"

/** The most messages of one partition that a worker holds; above it the consumer is not pulled. */
export const inHandMessagesMax = 512

interface Amount {
  readonly messages: number
  readonly bytes: number
}

/** How much of a partition's input its worker holds: delivered, and not yet wholly committed. */
export class InHand {
  private heldMessages = 0
  private heldBytes = 0
  private readonly empty = Latch.makeUnsafe(true)
  private readonly bytesMax: number

  /** `bytesMax`: the partition's share of what its worker holds. One oversized message may come on top. */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get isEmpty(): boolean {
    return this.heldMessages === 0
  }

  take(bytes: number): void {
    this.heldMessages += 1
    this.heldBytes += bytes
    this.empty.closeUnsafe()
  }

  release(bytes: number): void {
    this.heldMessages -= 1
    this.heldBytes -= bytes
    if (this.isEmpty) this.empty.openUnsafe()
  }

  /**
   * What to ask the broker for beside what was asked for already; nothing while there is little room, for one request
   * for half of it is cheaper than one for each message that leaves.
   */
  wanted(outstanding: Amount): Amount | undefined {
    const messages = inHandMessagesMax - this.heldMessages - outstanding.messages
    const bytes = this.bytesMax - this.heldBytes - outstanding.bytes
    return messages * 2 >= inHandMessagesMax && bytes * 2 >= this.bytesMax ? { messages, bytes } : undefined
  }

  /** Waits until nothing is held. */
  get emptied(): Effect.Effect<void> {
    return this.empty.await
  }
}
