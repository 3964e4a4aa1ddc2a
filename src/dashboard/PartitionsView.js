import { bodyOf, byId, make } from "./Elements.js"
import { count, plural, rate } from "./Format.js"
import { silentAfterMilliseconds } from "./Rates.js"

/**
 * @typedef {object} Status
 * @property {string} at
 * @property {ReadonlyArray<{ partition: number, waitingMessages?: number, owner?: string }>} partitions
 * @property {ReadonlyArray<import("./Rates.js").Worker>} workers
 */

/** @param {ReadonlyArray<number>} partitions */
const ranges = (partitions) => {
  /** @type {Array<[number, number]>} */
  const runs = []
  for (const partition of partitions) {
    const last = runs.at(-1)
    if (last !== undefined && last[1] === partition - 1) last[1] = partition
    else runs.push([partition, partition])
  }
  return runs.map(([first, last]) => (first === last ? String(first) : `${first}–${last}`)).join(", ")
}

/** Shows what waits in each partition, and who owns it. @param {Status} status */
export const showPartitions = ({ partitions, workers }) => {
  const top = Math.max(1, ...partitions.map(({ waitingMessages = 0 }) => waitingMessages))
  const living = new Set(workers.map(({ worker }) => worker))
  const cells = partitions.map(({ partition, waitingMessages, owner }) => {
    const bar = make("span", { class: "fill" })
    bar.style.width = `${((waitingMessages ?? 0) / top) * 100}%`
    const isOwned = owner !== undefined && living.has(owner)
    return make(
      "li",
      isOwned ? {} : { class: "orphan" },
      make("span", { class: "name" }, String(partition)),
      make("span", { class: "number" }, waitingMessages === undefined ? "?" : count(waitingMessages)),
      make("span", { class: "track", "aria-hidden": "true" }, bar),
      make("span", { class: "owner" }, isOwned ? owner : owner === undefined ? "no owner" : `${owner} is gone`)
    )
  })
  byId("partitions").replaceChildren(...cells)
}

/** Shows the workers. @param {Status} status @param {import("./Rates.js").Rates} rates */
export const showWorkers = ({ at, workers }, rates) => {
  const rows = workers.map(({ worker, partitions, heardAt, applied }) => {
    const silence = Date.parse(at) - Date.parse(heardAt)
    const known = rates.of(worker)
    const isSilent = silence > silentAfterMilliseconds
    const silent = make("span", { class: "warning" }, `silent for ${plural(Math.round(silence / 1_000), "second")}`)
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, make("span", { class: "name" }, worker), ...(isSilent ? [" ", silent] : [])),
      make("td", {}, partitions.length === 0 ? "none" : ranges(partitions)),
      make("td", { class: "number" }, known === undefined ? "–" : rate(known.applied)),
      make("td", { class: "number" }, applied === undefined ? "–" : count(applied))
    )
  })
  byId("workers-empty").hidden = rows.length > 0
  byId("workers").hidden = rows.length === 0
  bodyOf("workers").replaceChildren(...rows)
}
