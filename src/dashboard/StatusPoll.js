import { ask, messageOf } from "./Service.js"

/** How often the status is asked for, in milliseconds; an edge reads it anew once a second. */
const everyMilliseconds = 1_000

/** An edge that stands still is given up after this long, in milliseconds, and asked again. */
const answerMillisecondsMax = 3_500

/** Asks for the status as long as somebody looks. */
export class StatusPoll {
  isRunning = false
  /** @type {number | undefined} */
  timer = undefined
  /** Counts the starts, so that a request of an earlier one is followed by no other. */
  starts = 0

  /** @param {(status: any) => void} known @param {(message: string) => void} failed */
  constructor(known, failed) {
    this.known = known
    this.failed = failed
  }

  start() {
    if (this.isRunning) return
    this.isRunning = true
    this.starts += 1
    void this.next(this.starts)
  }

  stop() {
    this.isRunning = false
    clearTimeout(this.timer)
  }

  /** @param {number} start */
  async next(start) {
    const signal = AbortSignal.timeout(answerMillisecondsMax)
    try {
      this.known(await ask("status", { signal }))
    } catch (failure) {
      this.failed(signal.aborted ? "The service does not answer." : messageOf(failure))
    }
    if (!this.isRunning || start !== this.starts) return
    this.timer = setTimeout(() => void this.next(start), everyMilliseconds)
  }
}
