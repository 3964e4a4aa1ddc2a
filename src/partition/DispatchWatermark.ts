import { Effect } from "effect"

interface Waiter {
  readonly sequence: number
  readonly resume: () => void
}

/**
 * Has the input sequence up to which all purchases were given to the actors of an epoch. A question can wait until the
 * dispatched sequence is high enough.
 */
export class DispatchWatermark {
  private given: number
  private waiters: ReadonlyArray<Waiter> = []

  /** `position` is the input sequence behind which the epoch begins. */
  constructor(position: number) {
    this.given = position
  }

  /** The input sequence up to which all purchases were given to actors. */
  get dispatchedThrough(): number {
    return this.given
  }

  /** Whether a question waits for a sequence that is not dispatched yet. */
  get isAwaited(): boolean {
    return this.waiters.length > 0
  }

  /** Moves the watermark to a sequence, and resumes all questions that wait for the sequence. */
  reach(sequence: number): void {
    this.given = sequence
    if (this.waiters.length === 0) return
    const ready = this.waiters.filter((waiter) => waiter.sequence <= sequence)
    this.waiters = this.waiters.filter((waiter) => waiter.sequence > sequence)
    for (const waiter of ready) waiter.resume()
  }

  /** Waits until all messages up to a sequence are dispatched. */
  wait(sequence: number): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (sequence <= this.given) return resume(Effect.void)
      const waiter = { sequence, resume: () => resume(Effect.void) }
      this.waiters = [...this.waiters, waiter]
      return Effect.sync(() => void (this.waiters = this.waiters.filter((other) => other !== waiter)))
    })
  }
}
