import { parseExact } from "./ExactJson.js"

/**
 * The most events that are kept between two calls of `newest`. If more events come, the page does not show the oldest
 * of these events.
 */
const keptMax = 64
/**
 * The longest wait after the first failure, in milliseconds. The longest wait doubles with each further failure, up to
 * `againMaxMilliseconds`.
 */
const againMilliseconds = 1_000
const againMaxMilliseconds = 30_000
/**
 * The longest time without a connection after which a feed continues after its last event, in milliseconds. After more
 * time, the feed begins with new events.
 */
const resumedMaxMilliseconds = 60_000

/**
 * Returns the wait in milliseconds after a number of failures in a row. The wait is random, so that pages that lost
 * their connection together do not try again together.
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

  /** Opens the feed, which begins with new events. */
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
      // Some events between the kept events and the events after a `reset` are missing.
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

  /** Returns the URL of the feed, with the id of the event after which the feed continues. */
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

  /** Yields the events since the last call, newest first. Each event is parsed when the caller takes the event. */
  *newest() {
    const texts = this.texts.toReversed()
    this.texts = []
    for (const text of texts) yield parseExact(text)
  }
}
