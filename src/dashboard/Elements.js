import { momentParts } from "./Format.js"

/**
 * Returns the element of the page with this id. Throws an Error if the page has no element with this id, or the element
 * is not of this kind.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind]
 * @returns {T}
 */
export const byId = (id, kind) => {
  const found = document.getElementById(id)
  if (found === null || (kind !== undefined && !(found instanceof kind))) throw new Error(`The page has no ${id}.`)
  return /** @type {T} */ (found)
}

/**
 * Makes an element. Texts are set as text only, so a name that a user chose is never read as markup.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export const make = (tag, attributes, ...children) => {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}

/** Makes an element that shows a time with its date, year and time zone. @param {string} instant */
export const timeOf = (instant) => {
  const [date = "", time = ""] = momentParts(instant)
  return make("time", { datetime: instant }, make("span", {}, date), " ", make("span", {}, time))
}

const svgNamespace = "http://www.w3.org/2000/svg"

/**
 * Makes an element of SVG.
 *
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...(Node | string)} children
 */
export const draw = (tag, attributes, ...children) => {
  const element = document.createElementNS(svgNamespace, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  element.append(...children)
  return element
}

/** Returns the body of a table. @param {string} tableId */
export const bodyOf = (tableId) => {
  const body = byId(tableId, HTMLTableElement).tBodies[0]
  if (body === undefined) throw new Error(`The table ${tableId} has no body.`)
  return body
}

/**
 * Shows the result of an action, in an element that screen readers read aloud.
 *
 * @param {HTMLElement} output
 * @param {string} text
 * @param {"result" | "problem"} [kind]
 */
export const say = (output, text, kind = "result") => {
  output.textContent = text
  output.dataset["kind"] = kind
}
