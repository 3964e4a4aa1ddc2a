import { CallerTurns } from "../../asking/CallerTurns.ts"

/** The most requests that a server begins in one turn of the event loop. The other requests wait for the next turn. */
export const begunMax = 16

interface WaitingRequest {
  readonly caller: string
  readonly begin: () => void
}

/**
 * The turns in which the requests of a server begin. However many requests come at once, only a few of them begin in
 * one turn of the event loop. Waiting requests of different callers take turns, so no caller waits behind all requests
 * of another caller.
 */
export class RequestTurns {
  private readonly waiting = new CallerTurns<WaitingRequest>()
  private begun = 0
  private isScheduled = false

  /** Begins a request now, or in its turn. `caller` returns the text that tells the request's caller from others. */
  take(caller: () => string, begin: () => void): void {
    this.schedule()
    if (this.waiting.size > 0 || this.begun >= begunMax) return this.waiting.push({ caller: caller(), begin })
    this.begun += 1
    begin()
  }

  private schedule(): void {
    if (this.isScheduled) return
    this.isScheduled = true
    setImmediate(() => {
      this.isScheduled = false
      for (this.begun = 0; this.begun < begunMax; this.begun += 1) {
        const next = this.waiting.take()
        if (next === undefined) return
        next.begin()
      }
      if (this.waiting.size > 0) this.schedule()
    })
  }
}
