import { byId } from "./Elements.js"

/** Returns the cursor in the path of a page. @param {string | undefined} path */
const cursorIn = (path) =>
  path === undefined ? undefined : (new URL(path, location.href).searchParams.get("cursor") ?? undefined)

/** The buttons that turn the pages of a list. */
export class Pager {
  /** The cursor of the next page. @type {string | undefined} */
  next = undefined

  /** @param {string} list the name that its buttons begin with @param {(cursor: string | undefined) => void} show shows a page; the first page has no cursor */
  constructor(list, show) {
    this.older = byId(`${list}-older`, HTMLButtonElement)
    this.newest = byId(`${list}-newest`, HTMLButtonElement)
    this.older.addEventListener("click", () => show(this.next))
    this.newest.addEventListener("click", () => show(undefined))
    this.shown(undefined)
  }

  /** Names the buttons after the order of the list. @param {string} first @param {string} next */
  name(first, next) {
    this.newest.textContent = first
    this.older.textContent = next
  }

  /**
   * Sets the buttons for the shown page.
   *
   * @param {string | undefined} cursor of the page; `undefined` for the first
   * @param {string} [next] the path of the next page
   */
  shown(cursor, next) {
    this.next = cursorIn(next)
    // A disabled button loses the focus, and with it the position of a keyboard user.
    const focused = document.activeElement
    this.older.disabled = this.next === undefined
    this.newest.disabled = cursor === undefined
    // A list of one page needs no buttons.
    const isOnly = this.older.disabled && this.newest.disabled
    this.older.hidden = isOnly
    this.newest.hidden = isOnly
    if (this.older.disabled && focused === this.older) this.newest.focus()
    if (this.newest.disabled && focused === this.newest) this.older.focus()
  }
}
