import { seeded } from "../../../src/harness/system/Random.ts"
import type { Case, Measurement } from "../Case.ts"
import { LiveRules } from "../matcher/LiveRules.ts"
import { type EventObject, eventsOf, objectsOf, type Profile, profiles, rulesOf } from "../matcher/MatcherData.ts"
import { matcherTable, measureRow, type Row, type Size, sizes, type Time, timed } from "../matcher/MatcherTable.ts"
import type { Progress } from "../Progress.ts"

/** The rows whose times become figures of the benchmark. Other rows are only in the printed tables of a run. */
const told: ReadonlyArray<Size> = [
  { events: 10_000_000, rules: 100 },
  { events: 100_000, rules: 100_000 }
]
const liveRules = 1_000_000
const liveEvents = 1_000_000
/** The number of events before each change of rules. A change of rules removes or adds one rule. */
const eventsOfChange = 10
/** The number of events before the measurement, in which the code is compiled. */
const warmUpEvents = 200_000
const checkedEvents = 5
const shareWithin = 0.02

const measurementOf = (name: string, { milliseconds, processorMilliseconds }: Time, events: number): Measurement => ({
  name,
  unit: "ms",
  value: milliseconds,
  spent: { bench: (1_000 * processorMilliseconds) / events }
})

const figuresOfRow = (profile: Profile, { size, counted, countedObjects, stored, storedObjects }: Row) => {
  if (!told.some(({ events, rules }) => events === size.events && rules === size.rules)) return []
  const name = `rules, ${profile.name}, ${size.events.toLocaleString("en")} x ${size.rules.toLocaleString("en")}`
  return [
    measurementOf(`${name}, counted`, counted, size.events),
    measurementOf(`${name}, objects, counted`, countedObjects, size.events),
    measurementOf(`${name}, every pair stored`, stored, size.events),
    measurementOf(`${name}, objects, every pair stored`, storedObjects, size.events)
  ]
}

const tables = async (run: number, progress: Progress) => {
  const measurements: Array<Measurement> = []
  const wrong: Array<string> = []
  const notes: Array<string> = []
  for (const profile of profiles) {
    const rows: Array<Row> = []
    for (const size of sizes) {
      progress.show(`${profile.name}, ${size.events} events x ${size.rules} rules`)
      // A turn of the event loop lets the progress be shown, and lets the memory of the previous row be released.
      await new Promise((resolve) => setImmediate(resolve))
      const row = measureRow(profile, size, 1_000 * run + rows.length)
      rows.push(row)
      measurements.push(...figuresOfRow(profile, row))
      wrong.push(...row.wrong.map((problem) => `${profile.name}, ${size.events} x ${size.rules}: ${problem}`))
    }
    notes.push(matcherTable(profile, rows))
  }
  return { measurements, wrong, notes }
}

/**
 * Changes the rules: removes a rule if `number` is even, and adds a rule if it is odd. Returns the nanoseconds that the
 * index took for the change of rules.
 */
const change = (live: LiveRules, number: number, random: () => number): number =>
  number % 2 === 0 ? live.removeAt(Math.floor(random() * liveRules)) : live.add(liveRules + number)

/**
 * Counts the matches of all events, with changes of rules between the events. Also returns how long each change of
 * rules took, sorted.
 */
const countWithChanges = (live: LiveRules, events: ReadonlyArray<EventObject>, random: () => number) => {
  const times = new Float64Array(Math.floor(events.length / eventsOfChange))
  let total = 0
  let changes = 0
  for (let index = 0; index < events.length; index += 1) {
    total += live.count(events[index] as EventObject)
    if (index % eventsOfChange !== eventsOfChange - 1) continue
    times[changes] = change(live, changes, random)
    changes += 1
  }
  return { total, times: times.sort() }
}

/** Returns how long changes of rules took without events between the changes, sorted. */
const timesOfChanges = (live: LiveRules, changes: number, random: () => number): Float64Array =>
  Float64Array.from({ length: changes }, (_, number) => change(live, number, random)).sort()

/** Measures the `RuleIndex` of the service with a million rules, and with changes of rules between the events. */
const liveSet = (run: number) => {
  const profile = profiles.find(({ name }) => name === "rust") as Profile
  const changes = liveEvents / eventsOfChange
  const rules = rulesOf(profile, liveRules + changes, run)
  const events = objectsOf(eventsOf(profile, liveEvents, run + 1))
  const random = seeded(run + 2)
  const memoryBefore = process.memoryUsage().arrayBuffers
  const built = timed(() => new LiveRules(rules, liveRules))
  const live = built.result
  const bytes = (process.memoryUsage().arrayBuffers - memoryBefore) / liveRules
  live.prepare(liveRules, liveRules + changes)
  for (const event of events.slice(0, warmUpEvents)) live.count(event)
  const counted = timed(() => countWithChanges(live, events, random))
  const { total, times } = counted.result
  const share = total / liveEvents / liveRules
  const wrong: Array<string> = []
  if (Math.abs(share / profile.share - 1) > shareWithin) wrong.push(`live: the share ${share} of pairs matches`)
  for (const event of events.slice(0, checkedEvents)) {
    const naive = live.naiveCount(event)
    if (live.count(event) !== naive || live.collect(event) !== naive)
      wrong.push(`live: ${event.symbol} is not met by ${naive}`)
  }
  const alone = timesOfChanges(live, changes, random)
  const figure = (name: string, unit: string, value: number): Measurement => ({
    name: `rules, live, ${name}`,
    unit,
    value
  })
  return {
    measurements: [
      measurementOf("rules, live, million rules built", built.time, liveRules),
      measurementOf("rules, live, million events and 100,000 changes, counted", counted.time, liveEvents),
      figure("change between events, p50", "ns", times[changes >> 1] as number),
      figure("change between events, p99", "ns", times[Math.floor(0.99 * changes)] as number),
      figure("change alone, p50", "ns", alone[changes >> 1] as number),
      figure("typed arrays", "bytes/rule", bytes)
    ],
    wrong
  }
}

/**
 * Measures the matching of rules without a broker: the tables of three in-memory matchers, and a set of rules that
 * changes.
 */
export const rules: Case = {
  name: "rules",
  about: "matching rules in memory: the tables of three stock matchers, counted and every pair stored, and a live set",
  isLong: true,
  run: async ({ run, progress }) => {
    progress.show("live set")
    const live = liveSet(run)
    const { measurements, wrong, notes } = await tables(run, progress)
    return { measurements: [...live.measurements, ...measurements], wrong: [...live.wrong, ...wrong], notes }
  }
}
