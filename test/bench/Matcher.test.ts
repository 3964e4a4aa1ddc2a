import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { IntervalIndex } from "../../scripts/bench/matcher/IntervalIndex.ts"
import { matchAll, profiles } from "../../scripts/bench/matcher/MatcherData.ts"
import { countMatches, storeMatches } from "../../scripts/bench/matcher/matchEvents.ts"
import { measureRow } from "../../scripts/bench/matcher/MatcherTable.ts"
import { PairStore } from "../../scripts/bench/matcher/PairStore.ts"

/** Random prices: many of them equal, and some of very different sizes. */
const prices = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(-3, 0.5, 1e9, 1e-9))
const symbols = fc.integer({ min: 0, max: 3 })
const rules = fc.array(fc.tuple(symbols, fc.integer({ min: 0, max: 2 }), prices), { maxLength: 400, size: "max" })
const events = fc.array(fc.tuple(symbols, prices), { maxLength: 40, size: "max" })

describe("the benchmark's matcher, which finds the rules that an event meets", () => {
  it("the matcher counts and stores the same pairs of an event and a rule as a loop over all rules", () => {
    fc.assert(
      fc.property(rules, events, (rules, events) => {
        const ruleColumns = {
          size: rules.length,
          symbols: Uint8Array.from(rules, ([symbol]) => symbol),
          comparisons: Uint8Array.from(rules, ([, comparison]) => comparison),
          thresholds: Float64Array.from(rules, ([, , threshold]) => threshold)
        }
        const eventColumns = {
          size: events.length,
          symbols: Uint8Array.from(events, ([symbol]) => symbol),
          prices: Float64Array.from(events, ([, price]) => price)
        }
        const expected: Array<string> = []
        matchAll(ruleColumns, eventColumns, (event, rule) => expected.push(`${event} ${rule}`))
        const index = new IntervalIndex(ruleColumns)
        const store = new PairStore(index, 0)
        storeMatches(index, eventColumns, store, 0)
        const stored = Array.from({ length: store.size }, (_, number) => store.pair(number))
        expect(stored.map(({ event, rule }) => `${event} ${rule}`).toSorted()).toEqual(expected.toSorted())
        expect(countMatches(index, eventColumns)).toBe(expected.length)
      })
    )
  })

  it.each(profiles)("the measurement of one table row of the $name matcher finds no mistake", (profile) => {
    const { matches, wrong } = measureRow(profile, { events: 5_000, rules: 100 }, 1)
    expect(wrong).toEqual([])
    expect(matches / 500_000 / profile.share).toBeCloseTo(1, 0)
  })
})
