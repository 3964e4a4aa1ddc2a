import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { IntervalIndex } from "./IntervalIndex.ts"
import {
  type EventColumns,
  eventsOf,
  expectedShare,
  inBatches,
  isMet,
  matchAll,
  objectsOf,
  type Profile,
  type RuleColumns,
  rulesOf
} from "./MatcherData.ts"
import { countMatches, storeMatches } from "./matchEvents.ts"
import { PairStore } from "./PairStore.ts"

/** The number of events and of rules in one row of a table. */
export interface Size {
  readonly events: number
  readonly rules: number
}

/** The sizes of the rows in the tables of the three matchers, in the order of the rows. */
export const sizes: ReadonlyArray<Size> = [
  ...[10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000].map((events) => ({ events, rules: 100 })),
  ...[10, 100, 1_000, 10_000, 100_000].map((size) => ({ events: size, rules: size }))
]

/** The time that a call took on the clock, and the processor time that the process used during the call. */
export interface Time {
  readonly milliseconds: number
  readonly processorMilliseconds: number
}

/**
 * The measured times of one row: building the index, and matching all events. The events are given in columns or as
 * objects.
 */
export interface Row {
  readonly size: Size
  readonly matches: number
  readonly counted: Time
  readonly countedObjects: Time
  readonly stored: Time
  readonly storedObjects: Time
  readonly wrong: ReadonlyArray<string>
}

/**
 * The most pairs for which a loop over all rules checks the total. `naivePairsMax` is the most pairs for which the loop
 * also checks each stored pair.
 */
const naiveMax = 1e8
const naivePairsMax = 1e6
/**
 * The number of pairs from which on the share of matching pairs has to be close to the expected share of matching
 * pairs.
 */
const shareMin = 1e8
const shareWithin = 0.01
const spotChecks = 10_000

// A program can call Node's garbage collector only with the flag `--expose-gc`.
setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

/**
 * Measures a call, and returns the result and the time of the call. Runs the garbage collector before the call, to
 * release the memory of earlier calls.
 */
export const timed = <A>(run: () => A): { readonly result: A; readonly time: Time } => {
  collectGarbage()
  const processor = process.cpuUsage()
  const began = performance.now()
  const result = run()
  const milliseconds = performance.now() - began
  const { user, system } = process.cpuUsage(processor)
  return { result, time: { milliseconds, processorMilliseconds: (user + system) / 1_000 } }
}

/** A function that passes all events to a matcher: as columns in one call, or as objects in batches. */
type Given = (match: (events: EventColumns, firstEvent: number) => void) => void

const count = (rules: RuleColumns, given: Given) =>
  timed(() => {
    const index = new IntervalIndex(rules)
    let matches = 0
    given((events) => {
      matches += countMatches(index, events)
    })
    return matches
  })

const store = (rules: RuleColumns, given: Given, pairsExpected: number) =>
  timed(() => {
    const index = new IntervalIndex(rules)
    const pairs = new PairStore(index, pairsExpected)
    given((events, firstEvent) => storeMatches(index, events, pairs, firstEvent))
    return pairs
  })

/**
 * Returns the problems of a total number of matching pairs. Compares a small total with a loop over all rules, and a
 * large total with the expected share.
 */
const wrongTotal = (total: number, rules: RuleColumns, events: EventColumns, profile: Profile): Array<string> => {
  const pairs = rules.size * events.size
  const wrong: Array<string> = []
  if (pairs <= naiveMax) {
    let naive = 0
    matchAll(rules, events, () => {
      naive += 1
    })
    if (naive !== total) wrong.push(`${total} pairs match, and ${naive} by a loop over all rules`)
  }
  if (pairs < shareMin) return wrong
  const share = total / pairs
  for (const expected of [expectedShare(rules, profile), profile.share]) {
    // The tolerance is doubled if the expected share is only that of the profile, because the rules themselves may
    // differ from their profile.
    const within = expected === profile.share ? 2 * shareWithin : shareWithin
    if (Math.abs(share / expected - 1) > within) wrong.push(`the share ${share} of pairs matches, and not ${expected}`)
  }
  return wrong
}

/**
 * Returns the problems of stored pairs. Compares all pairs with a loop over all rules, or only a sample of many pairs.
 */
const wrongPairs = (pairs: PairStore, total: number, rules: RuleColumns, events: EventColumns): Array<string> => {
  if (pairs.size !== total) return [`${pairs.size} pairs are stored, and ${total} match`]
  const isRight = ({ event, rule }: { readonly event: number; readonly rule: number }): boolean =>
    rules.symbols[rule] === events.symbols[event] &&
    isMet(rules.comparisons[rule] as number, rules.thresholds[rule] as number, events.prices[event] as number)
  if (rules.size * events.size > naivePairsMax) {
    const step = Math.max(1, Math.floor(total / spotChecks))
    for (let pair = 0; pair < total; pair += step) {
      if (!isRight(pairs.pair(pair))) return [`the stored pair ${pair} does not match`]
    }
    return []
  }
  const stored = new Set<number>()
  for (let pair = 0; pair < total; pair += 1) {
    const { event, rule } = pairs.pair(pair)
    stored.add(event * rules.size + rule)
  }
  let missing = total - stored.size
  matchAll(rules, events, (event, rule) => {
    if (!stored.has(event * rules.size + rule)) missing += 1
  })
  return missing === 0 ? [] : [`${missing} pairs are missing or stand twice`]
}

/** Measures one row of the table with one matcher's data. */
export const measureRow = (profile: Profile, size: Size, seed: number): Row => {
  const rules = rulesOf(profile, size.rules, seed)
  const events = eventsOf(profile, size.events, seed + 1)
  const pairsExpected = size.events * size.rules * profile.share * 1.05
  const wrong: Array<string> = []
  const inColumns: Given = (match) => match(events, 0)
  const { result: matches, time: counted } = count(rules, inColumns)
  // The stored pairs are released before the next pairs are stored, because stored pairs may take gigabytes.
  const storedTime = (given: Given): Time => {
    const { result, time } = store(rules, given, pairsExpected)
    wrong.push(...wrongPairs(result, matches, rules, events))
    return time
  }
  wrong.push(...wrongTotal(matches, rules, events, profile))
  const stored = storedTime(inColumns)
  // The objects of events are made last, because the garbage collector has to visit each object.
  const objects = objectsOf(events)
  const asObjects: Given = (match) => inBatches(objects, match)
  const { result: matchesOfObjects, time: countedObjects } = count(rules, asObjects)
  if (matchesOfObjects !== matches) wrong.push(`${matchesOfObjects} pairs of objects match, and ${matches} of columns`)
  const storedObjects = storedTime(asObjects)
  return { size, matches, counted, countedObjects, stored, storedObjects, wrong }
}

const shownSize = (value: number): string => value.toLocaleString("en")
const shownTime = ({ milliseconds }: Time): string =>
  milliseconds >= 100 ? Math.round(milliseconds).toLocaleString("en") : milliseconds.toPrecision(2)

const tableLine = (cells: ReadonlyArray<string>): string => cells.map((cell) => cell.padStart(18)).join("")

/** Returns a table of the rows of one matcher's data, as text. */
export const matcherTable = (profile: Profile, rows: ReadonlyArray<Row>): string => {
  const head = ["events x rules", "pairs", "counted", "counted, objects", "stored", "stored, objects"]
  const lines = rows.map(({ size, matches, counted, countedObjects, stored, storedObjects }) =>
    tableLine([
      `${shownSize(size.events)} x ${shownSize(size.rules)}`,
      shownSize(matches),
      ...[counted, countedObjects, stored, storedObjects].map(shownTime)
    ])
  )
  return [
    `the data of the ${profile.name} matcher, in ms with the building of the index`,
    tableLine(head),
    ...lines
  ].join("\n")
}
