import { byId } from "./Elements.js"

/**
 * @typedef {object} Status
 * @property {{ ok: boolean, detail: string }} storing
 * @property {{ ok: boolean, detail: string, partitions: ReadonlyArray<number> }} applying
 * @property {ReadonlyArray<unknown>} partitions
 *
 * @typedef {object} Trouble
 * @property {string} short
 * @property {string} heading
 * @property {string} detail
 */

/** Returns the trouble of the service; `undefined` if purchases are stored and applied. @param {Status} status @returns {Trouble | undefined} */
export const troubleIn = ({ storing, applying, partitions }) => {
  const isNone = applying.partitions.length === partitions.length
  const applied = isNone ? "none is applied" : "not all are applied"
  const detail = [storing, applying]
    .filter(({ ok }) => !ok)
    .map((half) => half.detail)
    .join(" ")
  if (storing.ok && applying.ok) return undefined
  if (storing.ok) {
    const short = isNone ? "Stored, not applied" : "Stored, not all applied"
    return { short, heading: `Purchases are stored, but ${applied}`, detail }
  }
  const heading = applying.ok ? "Purchases cannot be stored" : `Purchases cannot be stored, and ${applied}`
  return { short: "Not stored", heading, detail }
}

/** Returns the trouble of a page that got no status. @param {string} message @returns {Trouble} */
export const troubleOfFailure = (message) => ({
  short: "No answer. Asking again.",
  heading: "The state of the service is not known",
  detail: message
})

/** Shows the trouble above everything else. @param {Trouble | undefined} trouble */
export const showTrouble = (trouble) => {
  byId("trouble").hidden = trouble === undefined
  byId("trouble-heading").textContent = trouble?.heading ?? ""
  byId("trouble-detail").textContent = trouble?.detail ?? ""
}
