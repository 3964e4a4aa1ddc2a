import { ask, messageOf } from "./Service.js"

/** The time between two polls. An edge reads the status anew at most twice a second. */
const everyMilliseconds = 1_000

/** The longest wait for the answer to a poll. After this time the page gives the poll up, and polls again. */
const answerMillisecondsMax = 3_500

/** Polls the status while the page is visible. */
export class StatusPoll {
  isRunning = false
  /** @type {number | undefined} */
  timer = undefined
  /** The number of starts. A request that was sent before the newest start causes no further poll. */
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
