import { make } from "./Elements.js"

/** The parts of the page's state that its address holds, in the order of the address. */
const names = /** @type {const} */ ([
  "view",
  "user",
  "by",
  "from",
  "to",
  "product",
  "productType",
  "order",
  "page",
  "alerts",
  "receipt",
  "rejected"
])

/** The default values of the page's state, which the address leaves out. @type {Readonly<Record<string, string>>} */
const defaults = { view: "support", by: "day", order: "newest" }

/**
 * The state of the page: the view, the shown user, the windows of spending, the filters of the history, the cursors of
 * the lists in pages, and the purchase whose receipt is open. A part that is not set is `undefined`.
 *
 * @typedef {{ [Name in (typeof names)[number]]?: string | undefined }} Place
 */

/** The parts of the page's state that belong to the shown user. */
export const partsOfUser = /** @type {const} */ ([
  "from",
  "to",
  "product",
  "productType",
  "order",
  "page",
  "alerts",
  "receipt"
])

/**
 * Returns the state in the hash of an address. Unknown parts and empty parts of the hash are left out. @param {string}
 * hash @returns {Place}
 */
export const readPlace = (hash) => {
  const given = new URLSearchParams(hash.replace(/^#/, ""))
  /** @type {Place} */
  const place = {}
  for (const name of names) {
    const text = given.get(name) ?? defaults[name] ?? ""
    if (text !== "") place[name] = text
  }
  return place
}

/**
 * Writes a state as the hash of an address. Parts of the state with their default value are left out. @param {Place}
 * place
 */
export const writePlace = (place) => {
  const parts = new URLSearchParams()
  for (const name of names) {
    const text = place[name] ?? ""
    if (text !== "" && text !== defaults[name]) parts.set(name, text)
  }
  return String(parts)
}

/**
 * The address of the page. Each change of the page's state is a change of the address, so the buttons Back and Forward
 * of the browser work.
 */
export class Address {
  /** @type {(place: Place) => void} */
  changed = () => undefined

  constructor() {
    window.addEventListener("hashchange", () => this.changed(this.place))
  }

  get place() {
    return readPlace(location.hash)
  }

  /** Returns the link to the present state with some changes. @param {Place} changes */
  linkTo(changes) {
    return `#${writePlace({ ...this.place, ...changes })}`
  }

  /** Changes the state. If the address stays the same, the page shows its state again. @param {Place} changes */
  go(changes) {
    const link = this.linkTo(changes)
    // The browser may write the same address with other characters, so the states are compared, and not the addresses.
    if (writePlace(this.place) === link.slice(1)) this.changed(this.place)
    else location.hash = link
  }

  /** Changes the state. The button Back does not lead to the previous state. @param {Place} changes */
  replace(changes) {
    history.replaceState(null, "", this.linkTo(changes))
    this.changed(this.place)
  }

  /**
   * Makes a link to the present state with some changes. The state may change after the link was made, so a click
   * applies the changes to the state at the time of the click.
   *
   * @param {Place} changes
   * @param {Record<string, string>} attributes
   * @param {string} text
   */
  link(changes, attributes, text) {
    const link = make("a", { ...attributes, href: this.linkTo(changes) }, text)
    link.addEventListener("click", (event) => {
      // The browser opens a link in a new tab or window if Ctrl, Meta, Shift or Alt is down during the click.
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
      event.preventDefault()
      this.go(changes)
    })
    return link
  }
}

/**
 * Returns the changes of the state that show another user, without the filters and pages of the previous user.
 *
 * @param {string} user
 * @returns {Place}
 */
export const showing = (user) => ({
  ...Object.fromEntries(partsOfUser.map((name) => [name, undefined])),
  view: "support",
  user
})
