import { bodyOf, byId, make } from "./Elements.js"
import { duration } from "./Format.js"
import { ranges } from "./PartitionsView.js"

/** @typedef {{ shard: number, judge?: string, lagMilliseconds: number }} Shard */

/** The lag above which the page marks a judge as late, in milliseconds. */
const lagMillisecondsMax = 10_000

/**
 * Shows each judge, its shards, and how far the judge is behind the applied purchases.
 *
 * @param {ReadonlyArray<Shard> | undefined} shards
 */
export const showJudges = (shards = []) => {
  /** @type {Map<string, Array<Shard>>} */
  const byJudge = new Map()
  for (const shard of shards) {
    const name = shard.judge ?? "none"
    byJudge.set(name, [...(byJudge.get(name) ?? []), shard])
  }
  const rows = Array.from(byJudge, ([judge, own]) => {
    const lag = Math.max(...own.map(({ lagMilliseconds }) => lagMilliseconds))
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, make("span", { class: "name" }, judge)),
      make("td", {}, ranges(own.map(({ shard }) => shard))),
      make(
        "td",
        { class: lag > lagMillisecondsMax ? "number warning" : "number" },
        lag === 0 ? "nothing waits" : duration(lag)
      )
    )
  })
  byId("judges-empty").textContent = "The service does not say how far purchases are judged."
  byId("judges-empty").hidden = rows.length > 0
  byId("judges").hidden = rows.length === 0
  bodyOf("judges").replaceChildren(...rows)
}
