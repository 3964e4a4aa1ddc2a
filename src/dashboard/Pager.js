import { byId } from "./Elements.js"

/** The buttons of a list in pages, newest first. */
export class Pager {
  /** @type {string | undefined} */
  next = undefined
  isNewest = true

  /** @param {string} list the name that its buttons begin with @param {(path: string | undefined) => void} load loads a page */
  constructor(list, load) {
    this.older = byId(`${list}-older`, HTMLButtonElement)
    this.newest = byId(`${list}-newest`, HTMLButtonElement)
    this.older.addEventListener("click", () => load(this.next))
    this.newest.addEventListener("click", () => load(undefined))
  }

  /** Takes note of the shown page. @param {string | undefined} path of the page; `undefined` for the newest @param {string} [next] */
  shown(path, next) {
    this.isNewest = path === undefined
    this.next = next
    // A disabled button loses the focus, and with it the position of a keyboard user.
    if (next === undefined && document.activeElement === this.older) this.newest.focus()
    this.older.disabled = next === undefined
  }
}
