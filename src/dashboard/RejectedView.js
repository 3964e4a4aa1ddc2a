import { bodyOf, byId, make, say } from "./Elements.js"
import { moment } from "./Format.js"
import { Pager } from "./Pager.js"
import { ReplayDialog } from "./ReplayDialog.js"
import { ask, messageOf, pagePath } from "./Service.js"

const pageLimit = 10
/** The most characters of a payload in the list. The dialog shows more. */
const payloadShownMax = 120

/** @type {Readonly<Record<string, string>>} */
const states = {
  none: "no",
  begun: "begun",
  stored: "stored, not applied yet",
  applied: "applied",
  conflicting: "refused: its id is another purchase's"
}

/** The rejected records in pages. */
export class RejectedView {
  message = byId("rejected-message")
  pager = new Pager("rejected", (path) => void this.load(path))
  dialog = new ReplayDialog(() => void this.load(undefined))

  /** @param {string | undefined} path the path of a page; `undefined` for the newest */
  async load(path) {
    try {
      const page = await ask(pagePath("rejected", pageLimit, path))
      this.pager.shown(path, page.next)
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
    const replayed = replay === "applied"
    const open = make("button", { type: "button", class: "quiet" }, replayed ? "Trail" : "Replay")
    open.setAttribute("aria-label", `${replayed ? "Trail of" : "Replay"} ${inputSequence}/${index}`)
    open.addEventListener("click", () => void this.dialog.open(inputSequence, index))
    const cut = payload.length > payloadShownMax ? `${payload.slice(0, payloadShownMax)}…` : payload
    return make(
      "tr",
      {},
      make("td", {}, make("time", { datetime: rejectedAt }, moment(rejectedAt))),
      make("td", {}, reason),
      make("td", {}, make("code", {}, cut)),
      make("td", {}, states[replay] ?? replay),
      make("td", {}, open)
    )
  }
}
