import { parseExact } from "./ExactJson.js"

/** The most events that are kept between two calls of `newest`. The page does not show older events. */
const keptMax = 64
/**
 * The longest wait after the first failure, which doubles with each further failure, and the longest wait after any
 * failure.
 */
const againMilliseconds = 1_000
const againMaxMilliseconds = 30_000
/**
 * The longest gap after which a feed goes on after its last event. After a longer gap, the feed begins with new events.
 */
const resumedMaxMilliseconds = 60_000

/**
 * Returns the wait in milliseconds after a number of failures in a row. The wait is random, so that pages that were cut
 * off together do not come back together.
 *
 * @param {number} failures
 */
const waitMillisecondsAfter = (failures) => {
  const bound = Math.min(againMaxMilliseconds, againMilliseconds * 2 ** (failures - 1))
  return bound / 2 + (Math.random() * bound) / 2
}

/**
 * Follows a feed from now on, and keeps its newest events until the page draws them. Undrawn events are not parsed, so
 * a ledger with many commits a second does not slow the page.
 *
 * A browser closes an EventSource for ever after an answer other than 200, for instance of a proxy whose server is
 * down. For this reason the class Feed makes a new EventSource whenever the feed breaks off, with the last event in its
 * URL.
 */
export class Feed {
  /** @type {Array<string>} */
  texts = []
  isOpen = false
  failures = 0
  /** The id of the last event; empty before the first event. */
  lastEventId = ""
  /** The time at which the feed was last known to be open, in milliseconds since 1970. */
  openAt = 0
  /** @type {EventSource | undefined} */
  source = undefined
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer = undefined

  /** @param {string} path @param {() => void} changed called when an event comes, and when the feed opens or breaks off */
  constructor(path, changed) {
    this.path = path
    this.changed = changed
  }

  /** Opens the feed from now on. */
  open() {
    this.close()
    this.lastEventId = ""
    this.failures = 0
    this.connect()
  }

  close() {
    clearTimeout(this.timer)
    this.source?.close()
    this.source = undefined
    this.isOpen = false
  }

  connect() {
    const source = new EventSource(this.url())
    this.source = source
    source.addEventListener("open", () => {
      this.isOpen = true
      this.failures = 0
      this.changed()
    })
    // An event `reversal` tells of a commit with a reversal.
    for (const name of ["message", "reversal"]) source.addEventListener(name, (event) => this.take(event))
    source.addEventListener("reset", (event) => {
      this.heard(event)
      // After a `reset`, there is a gap between the earlier events and the later ones.
      this.texts = []
    })
    source.addEventListener("end", () => this.connectLater())
    source.addEventListener("error", () => this.connectLater())
  }

  /** @param {MessageEvent} event */
  take(event) {
    this.heard(event)
    if (event.data === "") return
    this.texts.push(event.data)
    if (this.texts.length > keptMax) this.texts.shift()
    this.changed()
  }

  /** Returns the URL of the feed, with the id to go on after. */
  url() {
    if (Date.now() - this.openAt > resumedMaxMilliseconds) this.lastEventId = ""
    return this.lastEventId === ""
      ? this.path
      : `${this.path}?${new URLSearchParams({ lastEventId: this.lastEventId })}`
  }

  /** @param {MessageEvent} event */
  heard({ lastEventId }) {
    this.lastEventId = lastEventId
  }

  connectLater() {
    if (this.isOpen) this.openAt = Date.now()
    this.close()
    this.failures += 1
    this.timer = setTimeout(() => this.connect(), waitMillisecondsAfter(this.failures))
    this.changed()
  }

  /** Yields the events since the last call, newest first. Each event is parsed when it is taken. */
  *newest() {
    const texts = this.texts.toReversed()
    this.texts = []
    for (const text of texts) yield parseExact(text)
  }
}
