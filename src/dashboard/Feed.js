import { parseExact } from "./ExactJson.js"

/** How many events are kept between two looks; those before them are not shown. */
const keptMax = 64
/** A feed that broke off is asked for again after this long at first, in milliseconds, and at the longest. */
const againMilliseconds = 1_000
const againMaxMilliseconds = 10_000

/**
 * A feed of what is applied from now on. Events are only kept as they come, the newest of them, and read when somebody
 * looks: a ledger that applies 100,000 purchases a second costs the page no more than that. When it breaks off, or this
 * reader was too slow, it goes on with what is new then: there is nothing to catch up with for who only watches.
 */
export class Feed {
  /** @type {Array<string>} */
  texts = []
  /** Whether it is open. */
  isOpen = false
  wait = againMilliseconds
  /** @type {EventSource | undefined} */
  source = undefined
  /** @type {number | undefined} */
  timer = undefined

  /** @param {string} path @param {() => void} changed told when something came, or when it opened or broke off */
  constructor(path, changed) {
    this.path = path
    this.changed = changed
  }

  open() {
    this.close()
    const source = new EventSource(this.path)
    this.source = source
    source.addEventListener("open", () => {
      this.isOpen = true
      this.wait = againMilliseconds
      this.changed()
    })
    source.addEventListener("message", ({ data }) => {
      if (data === "") return
      this.texts.push(data)
      if (this.texts.length > keptMax) this.texts.shift()
      this.changed()
    })
    // What came before is of another place than what comes now.
    source.addEventListener("reset", () => void (this.texts = []))
    source.addEventListener("end", () => this.openAgain())
    source.addEventListener("error", () => this.openAgain())
  }

  close() {
    clearTimeout(this.timer)
    this.source?.close()
    this.source = undefined
    this.isOpen = false
  }

  openAgain() {
    this.close()
    this.timer = setTimeout(() => this.open(), this.wait)
    this.wait = Math.min(this.wait * 2, againMaxMilliseconds)
    this.changed()
  }

  /** What came since the last look, newest first, each read when it is taken. */
  *newest() {
    const texts = this.texts.toReversed()
    this.texts = []
    for (const text of texts) yield parseExact(text)
  }
}
