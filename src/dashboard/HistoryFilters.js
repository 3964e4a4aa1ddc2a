import { byId } from "./Elements.js"
import { zone } from "./Format.js"

/** The media query for a page that is wide enough to show the filters without a click. */
const wide = "(min-width: 900px)"
const minute = 60_000

/**
 * Returns an instant as local time, as the fields for times need it; an empty text if the given text is no time.
 *
 * @param {string | undefined} instant
 */
export const localOf = (instant) => {
  const at = new Date(instant ?? "")
  if (Number.isNaN(at.getTime())) return ""
  return new Date(at.getTime() - at.getTimezoneOffset() * minute).toISOString().slice(0, 19)
}

/** Returns the instant of a local time as text; `undefined` for an empty text. @param {string} local */
const instantOf = (local) => (local === "" ? undefined : new Date(local).toISOString())

/** The form with the filters of the history. */
export class HistoryFilters {
  element = byId("filters", HTMLDetailsElement)
  form = byId("filters-form", HTMLFormElement)
  from = byId("filter-from", HTMLInputElement)
  to = byId("filter-to", HTMLInputElement)
  product = byId("filter-product", HTMLInputElement)
  productType = byId("filter-type", HTMLInputElement)
  order = byId("filter-order", HTMLSelectElement)
  /** The user and the filters of the address that the form was filled with, as text. */
  filled = ""

  /** @param {import("./Address.js").Address} address */
  constructor(address) {
    this.address = address
    for (const id of ["filter-from-zone", "filter-to-zone"]) byId(id).textContent = ` (${zone()})`
    this.form.addEventListener("submit", (event) => {
      event.preventDefault()
      this.apply()
    })
    this.order.addEventListener("change", () => this.apply())
    byId("filters-clear").addEventListener("click", () => {
      this.form.reset()
      this.apply()
    })
    this.element.open = matchMedia(wide).matches
  }

  apply() {
    this.address.go({
      from: instantOf(this.from.value),
      to: instantOf(this.to.value),
      product: this.product.value || undefined,
      productType: this.productType.value || undefined,
      order: this.order.value,
      page: undefined
    })
  }

  /** Fills the form with the filters of the address. @param {import("./Address.js").Place} place */
  show({ user, from, to, product = "", productType = "", order = "newest" }) {
    // The account is read again while a person fills in the form, so filters that the form has are not filled in again.
    const filled = JSON.stringify([user, from, to, product, productType, order])
    if (filled === this.filled) return
    this.filled = filled
    this.from.value = localOf(from)
    this.to.value = localOf(to)
    this.product.value = product
    this.productType.value = productType
    this.order.value = order
    const isSet = [from, to, product, productType].some((text) => (text ?? "") !== "")
    if (isSet || order === "oldest") this.element.open = true
    byId("filters-clear").hidden = !isSet
  }
}
