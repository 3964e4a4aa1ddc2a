import { TimedOut } from "./Failure.ts"

/** The longest time that a timer of JavaScript can wait. */
const timerMillisecondsMax = 2_147_483_647

/** Measures how long a call waits for an answer, and aborts the signal of the call after the timeout. */
export class Patience {
  /** The signal of the call. Its reason is a {@link TimedOut}, or the reason of the caller's signal. */
  readonly signal: AbortSignal
  private readonly controller = new AbortController()
  private readonly timeoutMilliseconds: number | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  /** The time at which the call times out, in milliseconds since 1970. */
  private endsAt: number | undefined
  private last: Error | undefined

  /** Without a timeout only the caller's signal ends the call. */
  constructor(timeoutMilliseconds: number | undefined, outer: AbortSignal | undefined) {
    this.timeoutMilliseconds =
      timeoutMilliseconds === undefined ? undefined : Math.min(timeoutMilliseconds, timerMillisecondsMax)
    this.signal = AbortSignal.any([this.controller.signal, ...(outer === undefined ? [] : [outer])])
  }

  /** The time at which the call times out, in milliseconds since 1970; `undefined` while the timer is stopped. */
  get until(): number | undefined {
    return this.endsAt
  }

  /** Starts the timer of the call, unless the timer runs already. */
  start(): void {
    const { timeoutMilliseconds } = this
    if (timeoutMilliseconds === undefined || this.timer !== undefined) return
    this.endsAt = Date.now() + timeoutMilliseconds
    const end = () => this.controller.abort(new TimedOut(timeoutMilliseconds, this.last))
    this.timer = setTimeout(end, timeoutMilliseconds)
  }

  /** Stops the timer of the call, because the service has answered or the call is over. */
  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.endsAt = undefined
    this.last = undefined
  }

  /** Keeps the failure of an attempt for the {@link TimedOut}, and starts the timer of the call. */
  failed(failure: Error): void {
    this.last = failure
    this.start()
  }
}
