/** The numbers of messages and bytes that the broker may still deliver for pull requests. */
export interface Demand {
  readonly messages: number
  readonly bytes: number
}

interface Request {
  messages: number
  bytes: number
}

/**
 * Counts the pull requests of one consumer that are in flight. The broker serves the pull requests in the order in
 * which they were made.
 */
export class PullDemand {
  private readonly requests = new Map<string, Request>()
  private made = 0

  /** The number of pull requests in flight. */
  get size(): number {
    return this.requests.size
  }

  /** Adds a pull request, and returns the id of the pull request. */
  add(messages: number, bytes: number): string {
    this.made += 1
    const id = String(this.made)
    this.requests.set(id, { messages, bytes })
    return id
  }

  /** Removes a pull request that has ended. */
  end(id: string): void {
    this.requests.delete(id)
  }

  /** Counts a delivery against the oldest pull request. */
  delivered(bytes: number): void {
    for (const [id, request] of this.requests) {
      request.messages -= 1
      request.bytes -= bytes
      if (request.messages <= 0) this.requests.delete(id)
      return
    }
  }

  /** Returns the messages and bytes that the broker may still deliver for all pull requests together. */
  outstanding(): Demand {
    let messages = 0
    let bytes = 0
    for (const request of this.requests.values()) {
      messages += request.messages
      bytes += request.bytes
    }
    return { messages, bytes: Math.max(0, bytes) }
  }
}
