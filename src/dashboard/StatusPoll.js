import { ask, messageOf } from "./Service.js"

/** How often the status is asked for, in milliseconds; an edge reads it anew once a second. */
const everyMilliseconds = 1_000

/** Asks for the status as long as somebody looks. */
export class StatusPoll {
  isRunning = false
  /** @type {number | undefined} */
  timer = undefined

  /** @param {(status: any) => void} known @param {(message: string) => void} failed */
  constructor(known, failed) {
    this.known = known
    this.failed = failed
  }

  start() {
    if (this.isRunning) return
    this.isRunning = true
    void this.next()
  }

  stop() {
    this.isRunning = false
    clearTimeout(this.timer)
  }

  async next() {
    try {
      this.known(await ask("status"))
    } catch (failure) {
      this.failed(messageOf(failure))
    }
    if (this.isRunning) this.timer = setTimeout(() => void this.next(), everyMilliseconds)
  }
}
