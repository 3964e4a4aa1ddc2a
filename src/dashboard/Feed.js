import { parseExact } from "./ExactJson.js"

/** How many events are kept between two looks; those before them are not shown. */
const keptMax = 64
/** The bounds of the wait before a feed is asked for again, in milliseconds; it doubles with each failure. */
const againMilliseconds = 1_000
const againMaxMilliseconds = 30_000
/** A feed goes on after its last event when it was gone for less than this, in milliseconds; else with what is new. */
const resumedMaxMilliseconds = 60_000

/**
 * Returns the wait before a feed is asked for again after so many failures in a row, in milliseconds. It is random, so
 * that pages which were cut off together do not come back together.
 *
 * @param {number} failures
 */
const waitAfter = (failures) => {
  const bound = Math.min(againMaxMilliseconds, againMilliseconds * 2 ** (failures - 1))
  return bound / 2 + (Math.random() * bound) / 2
}

/**
 * A feed of what is applied from now on. It keeps the newest events, and they are read when somebody looks. So a ledger
 * that applies 100,000 purchases a second costs the page no more than that.
 *
 * A browser closes an EventSource for ever when it is answered with another status than 200, as by a proxy without its
 * server. So this makes a new one whenever the feed breaks off, and names the last event in the URL.
 */
export class Feed {
  /** @type {Array<string>} */
  texts = []
  /** Whether it is open. */
  isOpen = false
  failures = 0
  /** The id of the last event; empty before the first. */
  lastEventId = ""
  /** When it was open last, in milliseconds since 1970. */
  openAt = 0
  /** @type {EventSource | undefined} */
  source = undefined
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  timer = undefined

  /** @param {string} path @param {() => void} changed told when something came, or when it opened or broke off */
  constructor(path, changed) {
    this.path = path
    this.changed = changed
  }

  /** Begins with what is applied from now on. */
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
    source.addEventListener("message", (event) => {
      this.heard(event)
      if (event.data === "") return
      this.texts.push(event.data)
      if (this.texts.length > keptMax) this.texts.shift()
      this.changed()
    })
    source.addEventListener("reset", (event) => {
      this.heard(event)
      // What came before is of another place than what comes now.
      this.texts = []
    })
    source.addEventListener("end", () => this.connectLater())
    source.addEventListener("error", () => this.connectLater())
  }

  /** Where the feed is, with the place to go on after. */
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
    this.timer = setTimeout(() => this.connect(), waitAfter(this.failures))
    this.changed()
  }

  /** What came since the last look, newest first, each read when it is taken. */
  *newest() {
    const texts = this.texts.toReversed()
    this.texts = []
    for (const text of texts) yield parseExact(text)
  }
}
