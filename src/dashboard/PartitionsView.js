import { bodyOf, byId, make } from "./Elements.js"
import { count, moment, plural, rate } from "./Format.js"

/**
 * @typedef {object} Status
 * @property {ReadonlyArray<{ partition: number, waitingMessages?: number, owner?: string, notApplied?: string }>} partitions
 * @property {ReadonlyArray<import("./Rates.js").Worker>} workers
 */

/** Writes numbers as ranges: `0–3, 7`. @param {ReadonlyArray<number>} partitions */
export const ranges = (partitions) => {
  /** @type {Array<[number, number]>} */
  const runs = []
  for (const partition of partitions) {
    const last = runs.at(-1)
    if (last !== undefined && last[1] === partition - 1) last[1] = partition
    else runs.push([partition, partition])
  }
  return runs.map(([first, last]) => (first === last ? String(first) : `${first}–${last}`)).join(", ")
}

/** Shows each partition: its waiting messages, its owner, and why purchases are not applied. @param {Status} status */
export const showPartitions = ({ partitions }) => {
  const top = Math.max(1, ...partitions.map(({ waitingMessages = 0 }) => waitingMessages))
  const cells = partitions.map(({ partition, waitingMessages, owner, notApplied }) => {
    const bar = make("span", { class: "fill" })
    bar.style.width = `${((waitingMessages ?? 0) / top) * 100}%`
    return make(
      "li",
      notApplied === undefined ? {} : { class: "orphan" },
      make("span", { class: "name" }, String(partition)),
      make("span", { class: "number" }, waitingMessages === undefined ? "?" : count(waitingMessages)),
      make("span", { class: "track", "aria-hidden": "true" }, bar),
      make("span", { class: "owner" }, notApplied ?? owner ?? "no owner")
    )
  })
  byId("partitions-empty").hidden = true
  byId("partitions").replaceChildren(...cells)
}

/**
 * Returns the time at which the process of a worker began, as nodes of the page; an empty list if the time is unknown.
 *
 * @param {string | undefined} startedAt
 */
const since = (startedAt) =>
  startedAt === undefined
    ? []
    : [" ", make("time", { class: "since", datetime: startedAt }, `since ${moment(startedAt)}`)]

/** Shows the workers. @param {Status} status @param {import("./Rates.js").Rates} rates */
export const showWorkers = ({ workers }, rates) => {
  const rows = workers.map(({ worker, partitions, alive, silentMilliseconds, startedAt, applied }) => {
    const known = rates.of(worker)
    const seconds = plural(Math.floor(silentMilliseconds / 1_000), "second")
    const silent = make("span", { class: "warning" }, `not heard for ${seconds}`)
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, make("span", { class: "name" }, worker), ...(alive ? [] : [" ", silent])),
      make("td", {}, partitions.length === 0 ? "none" : ranges(partitions)),
      make("td", { class: "number" }, known === undefined ? "–" : rate(known.applied)),
      make("td", { class: "number" }, applied === undefined ? "–" : count(applied), ...since(startedAt))
    )
  })
  byId("workers-empty").textContent = "No worker gives a sign of life. Stored purchases wait."
  byId("workers-empty").hidden = rows.length > 0
  byId("workers").hidden = rows.length === 0
  bodyOf("workers").replaceChildren(...rows)
}
