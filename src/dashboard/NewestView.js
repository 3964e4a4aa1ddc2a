import { showing } from "./Address.js"
import { bodyOf, byId, make } from "./Elements.js"
import { amount, clock, count, zone } from "./Format.js"

const shownMax = 20

/**
 * @typedef {object} Shown
 * @property {string} appliedAt
 * @property {string} userId
 * @property {string} purchaseId
 * @property {string} productName
 * @property {number} quantity
 * @property {string} total
 * @property {string} [kind] `reversal` for a reversal
 */

/** The newest purchases. The table does not change while a pointer is over the table, or the focus is in the table. */
export class NewestView {
  /** @type {ReadonlyArray<Shown>} */
  newest = []
  isPaused = false
  /** @type {"opening" | "live" | "broken"} */
  feedState = "opening"
  table = byId("newest")
  pause = byId("newest-pause")

  /** @param {import("./Address.js").Address} address */
  constructor(address) {
    this.address = address
    byId("newest-zone").textContent = ` (${zone()})`
    this.pause.addEventListener("click", () => {
      this.isPaused = !this.isPaused
      this.pause.setAttribute("aria-pressed", String(this.isPaused))
      this.draw()
    })
    for (const leaving of ["pointerleave", "focusout"]) {
      this.table.addEventListener(leaving, () => queueMicrotask(() => this.draw()))
    }
  }

  /** Adds purchases to the top of the table, newest first. @param {ReadonlyArray<Shown>} purchases */
  take(purchases) {
    this.newest = [...purchases, ...this.newest].slice(0, shownMax)
    this.draw()
  }

  draw() {
    const isHeld = this.isPaused || this.table.matches(":hover") || this.table.contains(document.activeElement)
    byId("newest-note").textContent = isHeld
      ? "held"
      : this.feedState === "broken"
        ? "The feed broke off. Asking again."
        : ""
    this.table.dataset["feed"] = this.feedState
    if (isHeld) return
    byId("newest-empty").hidden = this.newest.length > 0
    this.table.hidden = this.newest.length === 0
    bodyOf("newest").replaceChildren(...this.newest.map((purchase) => this.row(purchase)))
  }

  /** @param {Shown} purchase */
  row({ appliedAt, userId, purchaseId, productName, quantity, total, kind }) {
    const tag = kind === "reversal" ? [" ", make("span", { class: "tag" }, "Reversal")] : []
    const user = this.address.link(showing(userId), { class: "name" }, userId)
    const title = { title: `Receipt of ${purchaseId}`, "aria-label": `${amount(total)}: receipt of ${purchaseId}` }
    const receipt = this.address.link({ ...showing(userId), receipt: purchaseId }, title, amount(total))
    return make(
      "tr",
      {},
      make("td", {}, make("time", { datetime: appliedAt }, clock(appliedAt))),
      make("td", {}, user),
      make("td", { class: "text" }, productName, ...tag),
      make("td", { class: "number" }, count(quantity)),
      make("td", { class: "number" }, receipt)
    )
  }
}
