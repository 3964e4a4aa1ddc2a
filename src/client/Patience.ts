import { TimedOut } from "./Failure.ts"

/** The longest time that a timer of JavaScript can wait. */
const timerMillisecondsMax = 2_147_483_647

/** Counts the time of a call without an answer, and aborts its signal when the timeout is over. */
export class Patience {
  /** Is aborted with a {@link TimedOut}, or with the reason of the caller's signal. */
  readonly signal: AbortSignal
  private readonly controller = new AbortController()
  private readonly timeoutMilliseconds: number | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  /** When the patience ends, in milliseconds since 1970. */
  private endsAt: number | undefined
  private last: Error | undefined

  /** Without a timeout only the caller's signal ends the call. */
  constructor(timeoutMilliseconds: number | undefined, outer: AbortSignal | undefined) {
    this.timeoutMilliseconds =
      timeoutMilliseconds === undefined ? undefined : Math.min(timeoutMilliseconds, timerMillisecondsMax)
    this.signal = AbortSignal.any([this.controller.signal, ...(outer === undefined ? [] : [outer])])
  }

  /** The end of the timeout in milliseconds since 1970; `undefined` while the time is not counted. */
  get until(): number | undefined {
    return this.endsAt
  }

  /** Begins to count the time of the call, unless it is counted already. */
  start(): void {
    const { timeoutMilliseconds } = this
    if (timeoutMilliseconds === undefined || this.timer !== undefined) return
    this.endsAt = Date.now() + timeoutMilliseconds
    const end = () => this.controller.abort(new TimedOut(timeoutMilliseconds, this.last))
    this.timer = setTimeout(end, timeoutMilliseconds)
  }

  /** Stops counting, because the service was heard or the call is over. */
  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.endsAt = undefined
    this.last = undefined
  }

  /** Keeps the failure of an attempt for the TimedOut, and begins to count. */
  failed(failure: Error): void {
    this.last = failure
    this.start()
  }
}
