import { byId, say } from "./Elements.js"
import { count, plural } from "./Format.js"
import { ask, messageOf } from "./Service.js"

/** @param {any} answer */
const generated = ({ purchasesGenerated }) => `${plural(purchasesGenerated, "purchase")} stored.`
/** @param {any} answer */
const duplicated = ({ duplicatesSent }) => `One purchase was sent ${count(duplicatesSent)} times; it counts once.`

/** The buttons that store purchases of the shown user. */
export class ActionsView {
  form = byId("actions", HTMLFormElement)
  stop = byId("actions-stop")
  progress = byId("actions-progress")
  message = byId("actions-message")
  /** @type {AbortController | undefined} */
  running = undefined

  /** @param {() => string} userId @param {() => void} stored called when purchases may have been stored */
  constructor(userId, stored) {
    this.userId = userId
    this.stored = stored
    this.form.addEventListener("submit", (event) => {
      event.preventDefault()
      const kind = event.submitter?.getAttribute("value") === "duplicate" ? "duplicate" : "generate"
      void this.send(kind, byId("actions-count", HTMLInputElement).value)
    })
    this.stop.addEventListener("click", () => this.running?.abort())
  }

  /** @param {"generate" | "duplicate"} kind @param {string} number */
  async send(kind, number) {
    if (this.running !== undefined) return
    const running = new AbortController()
    this.running = running
    this.progress.hidden = false
    this.stop.hidden = false
    say(this.message, `Sending ${count(Number(number))} …`)
    try {
      const path = `${kind}/${encodeURIComponent(number)}/${encodeURIComponent(this.userId())}`
      const answer = await ask(path, { method: "POST", signal: running.signal })
      say(this.message, kind === "generate" ? generated(answer) : duplicated(answer))
    } catch (failure) {
      const wasStopped = running.signal.aborted
      say(
        this.message,
        wasStopped ? "Stopped. Purchases that were stored before count." : messageOf(failure),
        "problem"
      )
    } finally {
      this.running = undefined
      this.progress.hidden = true
      if (document.activeElement === this.stop) byId("actions-count").focus()
      this.stop.hidden = true
      this.stored()
    }
  }
}
