import { TimedOut } from "./Failure.ts"

/** The longest that a timer can be set to, in milliseconds. */
const timerMillisecondsMax = 2_147_483_647

/** Counts how long a call goes on without an answer, and aborts its signal when the time for that is over. */
export class Patience {
  /** Is aborted with a {@link TimedOut}, or with the reason of the caller's own signal. */
  readonly signal: AbortSignal
  private readonly controller = new AbortController()
  private readonly milliseconds: number | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private endsAt: number | undefined
  private last: Error | undefined

  /** Without `milliseconds` only the caller's signal ends the call. */
  constructor(milliseconds: number | undefined, outer: AbortSignal | undefined) {
    this.milliseconds = milliseconds === undefined ? undefined : Math.min(milliseconds, timerMillisecondsMax)
    this.signal = AbortSignal.any([this.controller.signal, ...(outer === undefined ? [] : [outer])])
  }

  /** When the time is over, in milliseconds since 1970; `undefined` while it is not counted. */
  get until(): number | undefined {
    return this.endsAt
  }

  /** Begins to count, unless it counts already. */
  start(): void {
    const { milliseconds } = this
    if (milliseconds === undefined || this.timer !== undefined) return
    this.endsAt = Date.now() + milliseconds
    this.timer = setTimeout(() => this.controller.abort(new TimedOut(milliseconds, this.last)), milliseconds)
  }

  /** Ends the count: the service was heard, or the call is over. */
  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.endsAt = undefined
    this.last = undefined
  }

  /** Remembers the failure of an attempt, and counts from it on. */
  failed(failure: Error): void {
    this.last = failure
    this.start()
  }
}
