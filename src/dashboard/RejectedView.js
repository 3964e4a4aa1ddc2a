import { bodyOf, byId, make, say, timeOf } from "./Elements.js"
import { Pager } from "./Pager.js"
import { canReplay, ReplayDialog } from "./ReplayDialog.js"
import { rights } from "./Rights.js"
import { ask, messageOf, pagePath } from "./Service.js"

const pageLimit = 10
/** The most characters of a payload in the list, which are fewer than in the dialog of a record. */
const payloadShownMax = 120

/** @type {Readonly<Record<string, string>>} */
const states = {
  none: "no",
  begun: "begun",
  stored: "stored, not applied yet",
  applied: "applied",
  conflicting: "refused: its id is another purchase's"
}

/** The list of the rejected records, in pages. */
export class RejectedView {
  /** The cursor of the shown page; `undefined` for the page with the newest records. @type {string | undefined} */
  cursor = undefined
  message = byId("rejected-message")
  dialog = new ReplayDialog(() => void this.load())

  /** @param {import("./Address.js").Address} address */
  constructor(address) {
    this.pager = new Pager("rejected", (rejected) => address.go({ rejected }))
  }

  /** Shows the page that the address names. @param {import("./Address.js").Place} place */
  async show({ rejected }) {
    this.cursor = rejected
    await this.load()
  }

  /** Reads the shown page again. */
  async load() {
    const { cursor } = this
    if (!rights.may("rejected:read")) return
    try {
      const page = await ask(pagePath("rejected", { limit: pageLimit, cursor }))
      if (cursor !== this.cursor) return
      this.pager.shown(cursor, page.next)
      byId("rejected-empty").hidden = page.rejected.length > 0
      byId("rejected").hidden = page.rejected.length === 0
      bodyOf("rejected").replaceChildren(...page.rejected.map((/** @type {any} */ record) => this.row(record)))
      say(this.message, "")
    } catch (failure) {
      say(this.message, messageOf(failure), "problem")
    }
  }

  /** @param {any} record */
  row({ inputSequence, index, reason, rejectedAt, payload, replay }) {
    const word = canReplay({ payload, replay }) ? "Replay" : replay === "none" ? "Look at" : "Trail of"
    const open = make("button", { type: "button", class: "quiet" }, word.split(" ")[0] ?? word)
    open.setAttribute("aria-label", `${word} ${inputSequence}/${index}`)
    open.addEventListener("click", () => void this.dialog.open(inputSequence, index))
    const cut = payload.length > payloadShownMax ? `${payload.slice(0, payloadShownMax)}…` : payload
    return make(
      "tr",
      {},
      make("td", {}, timeOf(rejectedAt)),
      make("td", {}, reason),
      make("td", { class: "spare" }, make("code", {}, cut)),
      make("td", { class: "spare" }, states[replay] ?? replay),
      make("td", {}, open)
    )
  }
}
