import { byId } from "./Elements.js"
import { count, duration, plural } from "./Format.js"

/** The lag of the judges above which alerts count as late, in milliseconds. */
const lagMillisecondsMax = 10_000

/**
 * @typedef {object} Status
 * @property {{ ok: boolean, detail: string }} storing
 * @property {{ ok: boolean, detail: string, partitions: ReadonlyArray<number> }} applying
 * @property {ReadonlyArray<unknown>} partitions
 * @property {ReadonlyArray<{ alive: boolean }>} [workers]
 * @property {ReadonlyArray<{ lagMilliseconds: number }>} [alerts]
 *
 * @typedef {object} Health
 * @property {"ok" | "late" | "troubled" | "down"} state
 * @property {string} heading
 * @property {string} detail
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

/**
 * Returns the trouble that the page shows if no edge answered the request for the status.
 *
 * @param {string} message
 * @returns {Trouble}
 */
export const troubleOfFailure = (message) => ({
  short: "No answer. Asking again.",
  heading: "The state of the service is not known",
  detail: message
})

/**
 * Returns the health of a service without trouble: `ok`, or `late` if alerts come late.
 *
 * @param {Status} status
 * @returns {Health}
 */
const healthyIn = ({ partitions, workers = [], alerts = [] }) => {
  const lag = Math.max(0, ...alerts.map(({ lagMilliseconds }) => lagMilliseconds))
  const alive = workers.filter(({ alive }) => alive).length
  const all =
    partitions.length === 1
      ? "The partition has its worker"
      : `All ${count(partitions.length)} partitions have a worker`
  const detail = `${all}, and ${plural(alive, "worker is", "workers are")} alive.`
  if (lag <= lagMillisecondsMax) {
    const judged = alerts.length === 0 ? "" : " Rules have judged what is applied."
    return { state: "ok", heading: "Purchases are stored and applied", detail: detail + judged }
  }
  const behind = `The oldest purchase that rules have not judged was applied ${duration(lag)} ago.`
  return {
    state: "late",
    heading: "Purchases are stored and applied, but alerts come late",
    detail: `${detail} ${behind}`
  }
}

/**
 * Returns the health of the service: its state, a sentence, and details. The state is `late` if only alerts come late,
 * and `down` if purchases are not stored. The state is `troubled` if purchases are stored and not all purchases are
 * applied.
 *
 * @param {Status} status
 * @returns {Health}
 */
export const healthIn = (status) => {
  const trouble = troubleIn(status)
  if (trouble === undefined) return healthyIn(status)
  return { state: status.storing.ok ? "troubled" : "down", heading: trouble.heading, detail: trouble.detail }
}

/**
 * Shows the health of the service at the top of the page. Without `isAlways`, the health is shown only in trouble.
 *
 * @param {Health} health
 * @param {boolean} isAlways
 */
export const showHealth = ({ state, heading, detail }, isAlways) => {
  const section = byId("health")
  section.hidden = !isAlways && (state === "ok" || state === "late")
  section.dataset["state"] = state
  byId("health-heading").textContent = heading
  byId("health-detail").textContent = detail
}
