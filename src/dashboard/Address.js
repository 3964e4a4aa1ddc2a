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

/** The values that the address leaves out. @type {Readonly<Record<string, string>>} */
const defaults = { view: "support", by: "day", order: "newest" }

/**
 * The state of the page: the view, the shown user, the windows of spending, the filters of the history, the cursors of
 * the lists in pages, and the purchase whose receipt is open. A part that is not set is `undefined`.
 *
 * @typedef {{ [Name in (typeof names)[number]]?: string | undefined }} Place
 */

/** The parts that belong to one user. */
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

/** The address of the page. Each change of the page's state is a change of the address, so back and forward work. */
export class Address {
  /** @type {(place: Place) => void} */
  changed = () => undefined

  constructor() {
    window.addEventListener("hashchange", () => this.changed(this.place))
  }

  get place() {
    return readPlace(location.hash)
  }

  /** Returns the link to the state after some changes. @param {Place} changes */
  linkTo(changes) {
    return `#${writePlace({ ...this.place, ...changes })}`
  }

  /** Changes the state. If the address stays the same, the page shows its state again. @param {Place} changes */
  go(changes) {
    const link = this.linkTo(changes)
    // The browser writes some characters in its own way, so the states are compared.
    if (writePlace(this.place) === link.slice(1)) this.changed(this.place)
    else location.hash = link
  }

  /** Changes the state, and does not keep the state before it for the button Back. @param {Place} changes */
  replace(changes) {
    history.replaceState(null, "", this.linkTo(changes))
    this.changed(this.place)
  }

  /**
   * Makes a link to a state. The address in a link is that of the time at which the link was made, so a click makes the
   * changes anew.
   *
   * @param {Place} changes
   * @param {Record<string, string>} attributes
   * @param {string} text
   */
  link(changes, attributes, text) {
    const link = make("a", { ...attributes, href: this.linkTo(changes) }, text)
    link.addEventListener("click", (event) => {
      // Clicks with one of these keys open another tab or window.
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
      event.preventDefault()
      this.go(changes)
    })
    return link
  }
}

/** Returns the changes that show another user, without the filters and pages of the user before. @param {string} user @returns {Place} */
export const showing = (user) => ({
  ...Object.fromEntries(partsOfUser.map((name) => [name, undefined])),
  view: "support",
  user
})
