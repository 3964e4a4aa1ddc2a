import { byId } from "./Elements.js"

/** The buttons of a list that is shown a page at a time, newest first. */
export class Pager {
  /** @type {string | undefined} */
  next = undefined
  isNewest = true

  /** @param {string} list its buttons are named after it @param {(path: string | undefined) => void} load loads a page */
  constructor(list, load) {
    this.older = byId(`${list}-older`, HTMLButtonElement)
    this.newest = byId(`${list}-newest`, HTMLButtonElement)
    this.older.addEventListener("click", () => load(this.next))
    this.newest.addEventListener("click", () => load(undefined))
  }

  /** A page is shown. @param {string | undefined} path of the page, none of the newest @param {string} [next] */
  shown(path, next) {
    this.isNewest = path === undefined
    this.next = next
    // A button that is disabled loses the focus, and whoever moves by keyboard their place.
    if (next === undefined && document.activeElement === this.older) this.newest.focus()
    this.older.disabled = next === undefined
  }
}
