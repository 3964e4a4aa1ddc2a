import { seeded } from "../../../src/harness/system/Random.ts"

/** Describes the rules and events of one of the three matchers, as the generator of that matcher makes them. */
export interface Profile {
  readonly name: string
  /** The number of the first symbol in the matcher's data. `symbols` is the number of symbols. */
  readonly firstSymbol: number
  readonly symbols: number
  /**
   * The number of comparisons that the rules use. The generator of the Java matcher never makes the third comparison.
   */
  readonly comparisons: 2 | 3
  /** The share of all pairs of an event and a rule that match, on the average. */
  readonly share: number
}

export const profiles: ReadonlyArray<Profile> = [
  { name: "java", firstSymbol: 1, symbols: 8, comparisons: 2, share: 1 / 32 },
  { name: "rust", firstSymbol: 1, symbols: 8, comparisons: 3, share: 1 / 24 },
  { name: "zig", firstSymbol: 0, symbols: 9, comparisons: 3, share: 1 / 27 }
]

/**
 * The comparisons of the matchers, in the order of their generators. In all three matchers, Less and Greater also match
 * equal values.
 */
export const equal = 0
export const atMost = 1
export const atLeast = 2

export const symbolNames = ["XOM", "GE", "TM", "PG", "GOOG", "ING", "AAPL", "META", "NFLX", "AMZN"]

/**
 * The least and the greatest price or threshold, in cents. Prices and thresholds are spread evenly from 10.00 to
 * 9,000.00.
 */
export const priceMin = 1_000
export const priceMax = 900_000

/** Rules in columns: one array for each field of a rule. */
export interface RuleColumns {
  readonly size: number
  readonly symbols: Uint8Array
  readonly comparisons: Uint8Array
  readonly thresholds: Float64Array
}

/** Events in columns: one array for each field of an event. */
export interface EventColumns {
  readonly size: number
  readonly symbols: Uint8Array
  readonly prices: Float64Array
}

/** An event of a matcher as an object. */
export interface EventObject {
  readonly symbol: string
  readonly price: number
}

export const randomPrice = (random: () => number): number => priceMin + Math.floor(random() * (priceMax - priceMin + 1))

const randomRules = (profile: Profile, size: number, seed: number): RuleColumns => {
  const random = seeded(seed)
  const rules = {
    size,
    symbols: new Uint8Array(size),
    comparisons: new Uint8Array(size),
    thresholds: new Float64Array(size)
  }
  for (let rule = 0; rule < size; rule += 1) {
    rules.symbols[rule] = profile.firstSymbol + Math.floor(random() * profile.symbols)
    rules.comparisons[rule] = Math.floor(random() * profile.comparisons)
    rules.thresholds[rule] = randomPrice(random)
  }
  return rules
}

/** Returns the expected share of matching pairs of these rules and of events whose prices are spread evenly. */
export const expectedShare = ({ size, comparisons, thresholds }: RuleColumns, { symbols }: Profile): number => {
  const prices = priceMax - priceMin + 1
  let met = 0
  for (let rule = 0; rule < size; rule += 1) {
    const threshold = thresholds[rule] as number
    if (comparisons[rule] === equal) met += 1
    else met += comparisons[rule] === atMost ? threshold - priceMin + 1 : priceMax - threshold + 1
  }
  return met / prices / size / symbols
}

/** The greatest allowed difference between the expected share of matching pairs and the share of the profile. */
const typicalWithin = 0.01

/**
 * Makes the rules of a row. A small set of rules can match far more or far fewer events than the average. So `rulesOf`
 * makes sets of rules until one set is typical.
 */
export const rulesOf = (profile: Profile, size: number, seed: number): RuleColumns => {
  for (let attempt = seed; ; attempt += 1) {
    const rules = randomRules(profile, size, attempt)
    if (Math.abs(expectedShare(rules, profile) / profile.share - 1) < typicalWithin) return rules
  }
}

export const eventsOf = (profile: Profile, size: number, seed: number): EventColumns => {
  const random = seeded(seed)
  const events = { size, symbols: new Uint8Array(size), prices: new Float64Array(size) }
  for (let event = 0; event < size; event += 1) {
    events.symbols[event] = profile.firstSymbol + Math.floor(random() * profile.symbols)
    events.prices[event] = randomPrice(random)
  }
  return events
}

export const objectsOf = ({ size, symbols, prices }: EventColumns): Array<EventObject> =>
  Array.from({ length: size }, (_, event) => ({
    symbol: symbolNames[symbols[event] as number] as string,
    price: prices[event] as number
  }))

const symbolNumbers = new Map(symbolNames.map((name, number) => [name, number]))

/**
 * The number of events that are written into columns at once. The columns of so many events fit into the processor's
 * cache.
 */
const batchEvents = 4_096

/**
 * Writes event objects into columns, batch after batch into the same columns, and looks up the number of each symbol.
 */
export const inBatches = (
  objects: ReadonlyArray<EventObject>,
  onBatch: (events: EventColumns, firstEvent: number) => void
): void => {
  const symbols = new Uint8Array(batchEvents)
  const prices = new Float64Array(batchEvents)
  for (let first = 0; first < objects.length; first += batchEvents) {
    const size = Math.min(batchEvents, objects.length - first)
    for (let event = 0; event < size; event += 1) {
      const { symbol, price } = objects[first + event] as EventObject
      symbols[event] = symbolNumbers.get(symbol) as number
      prices[event] = price
    }
    onBatch({ size, symbols, prices }, first)
  }
}

export const isMet = (comparison: number, threshold: number, price: number): boolean => {
  if (comparison === equal) return price === threshold
  return comparison === atMost ? price <= threshold : price >= threshold
}

/** Looks at each rule for each event, as the three matchers do, and calls a function for each match. */
export const matchAll = (
  { size, symbols, comparisons, thresholds }: RuleColumns,
  events: EventColumns,
  onMatch: (event: number, rule: number) => void
): void => {
  for (let event = 0; event < events.size; event += 1) {
    const symbol = events.symbols[event] as number
    const price = events.prices[event] as number
    for (let rule = 0; rule < size; rule += 1) {
      if (symbols[rule] !== symbol) continue
      if (isMet(comparisons[rule] as number, thresholds[rule] as number, price)) onMatch(event, rule)
    }
  }
}
