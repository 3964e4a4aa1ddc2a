import { bodyOf, byId, make } from "./Elements.js"
import { amount, clock, count } from "./Format.js"

const shownMax = 20

/**
 * @typedef {object} Shown
 * @property {string} appliedAt
 * @property {string} userId
 * @property {string} purchaseId
 * @property {string} productName
 * @property {number} quantity
 * @property {string} total
 */

/** The newest purchases. The table does not change while a pointer is over it, or the focus is in it. */
export class NewestView {
  /** @type {ReadonlyArray<Shown>} */
  newest = []
  isPaused = false
  table = byId("newest")
  pause = byId("newest-pause")

  /** @param {{ showUser: (userId: string) => void, showReceipt: (userId: string, purchaseId: string) => void }} on */
  constructor(on) {
    this.on = on
    this.pause.addEventListener("click", () => {
      this.isPaused = !this.isPaused
      this.pause.setAttribute("aria-pressed", String(this.isPaused))
      this.draw()
    })
    for (const leaving of ["pointerleave", "focusout"]) {
      this.table.addEventListener(leaving, () => queueMicrotask(() => this.draw()))
    }
  }

  /** Takes purchases, newest first. @param {ReadonlyArray<Shown>} purchases */
  take(purchases) {
    this.newest = [...purchases, ...this.newest].slice(0, shownMax)
    this.draw()
  }

  draw() {
    const isHeld = this.isPaused || this.table.matches(":hover") || this.table.contains(document.activeElement)
    byId("newest-note").textContent = isHeld ? "held" : ""
    if (isHeld) return
    byId("newest-empty").hidden = this.newest.length > 0
    this.table.hidden = this.newest.length === 0
    bodyOf("newest").replaceChildren(...this.newest.map((purchase) => this.row(purchase)))
  }

  /** @param {Shown} purchase */
  row({ appliedAt, userId, purchaseId, productName, quantity, total }) {
    const user = make("button", { type: "button", class: "link name" }, userId)
    user.addEventListener("click", () => this.on.showUser(userId))
    const receipt = make("button", { type: "button", class: "link", title: `Receipt of ${purchaseId}` }, amount(total))
    receipt.setAttribute("aria-label", `${amount(total)}: receipt of ${purchaseId}`)
    receipt.addEventListener("click", () => this.on.showReceipt(userId, purchaseId))
    return make(
      "tr",
      {},
      make("td", {}, make("time", { datetime: appliedAt }, clock(appliedAt))),
      make("td", {}, user),
      make("td", {}, productName),
      make("td", { class: "number" }, count(quantity)),
      make("td", { class: "number" }, receipt)
    )
  }
}
