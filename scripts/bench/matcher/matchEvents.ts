import type { IntervalIndex } from "./IntervalIndex.ts"
import type { EventColumns } from "./MatcherData.ts"
import type { Chunk, PairStore } from "./PairStore.ts"

/** The most rules that are copied one by one without a loop, and the most rules that are copied in a loop. */
const unrolledMax = 8
const loopMax = 24

/** Returns the number of pairs of an event and a rule that match. */
export const countMatches = (index: IntervalIndex, { size, symbols, prices }: EventColumns): number => {
  const { grid, cellBound, cellCount, bounds, openCount, exactCount, equalCount } = index
  let total = 0
  for (let event = 0; event < size; event += 1) {
    const price = prices[event] as number
    const at = (symbols[event] as number) << 2
    const offset = (price - (grid[at] as number)) * (grid[at + 1] as number)
    const cells = grid[at + 2] as number
    const cell = (grid[at + 3] as number) + (offset >= cells ? cells : offset > 0 ? offset | 0 : 0)
    const count = cellCount[cell] as number
    if (count >= 0) {
      total += count
      continue
    }
    let bound = cellBound[cell] as number
    let high = cellBound[cell + 1] as number
    while (high - bound > 8) {
      const middle = (bound + high) >>> 1
      if ((bounds[middle] as number) < price) bound = middle + 1
      else high = middle
    }
    while ((bounds[bound] as number) < price) bound += 1
    const isExact = bounds[bound] === price
    total += isExact ? (exactCount[bound] as number) + (equalCount[bound] as number) : (openCount[bound] as number)
  }
  return total
}

/** Appends pairs to a chunk: a slice of the index's rules, each with the same event. */
const appendSlice = (chunk: Chunk, to: number, event: number, at: number, count: number): void => {
  const { rules, events, size } = chunk
  if (count <= unrolledMax) {
    // The loop writes more rules than the slice has. The next pairs overwrite the surplus rules.
    rules[to] = rules[at] as number
    rules[to + 1] = rules[at + 1] as number
    rules[to + 2] = rules[at + 2] as number
    rules[to + 3] = rules[at + 3] as number
    rules[to + 4] = rules[at + 4] as number
    rules[to + 5] = rules[at + 5] as number
    rules[to + 6] = rules[at + 6] as number
    rules[to + 7] = rules[at + 7] as number
    for (let pair = size; pair < size + unrolledMax; pair += 1) events[pair] = event
  } else if (count < loopMax) {
    for (let pair = 0; pair < count; pair += 1) {
      rules[to + pair] = rules[at + pair] as number
      events[size + pair] = event
    }
  } else {
    rules.copyWithin(to, at, at + count)
    events.fill(event, size, size + count)
  }
  chunk.size = size + count
}

/** Stores every pair of an event and a rule that match. `firstEvent` is the number of the first given event. */
export const storeMatches = (
  index: IntervalIndex,
  events: EventColumns,
  store: PairStore,
  firstEvent: number
): void => {
  const { cellCount, cellAt, bounds, openAt, openCount, exactAt, exactCount, equalAt, equalCount } = index
  const { size, symbols, prices } = events
  const { grid } = index
  const { firstRule } = store
  let chunk = store.newest()
  let room = chunk.events.length - unrolledMax
  for (let event = 0; event < size; event += 1) {
    const symbol = symbols[event] as number
    const price = prices[event] as number
    const of = symbol << 2
    const offset = (price - (grid[of] as number)) * (grid[of + 1] as number)
    const cells = grid[of + 2] as number
    const cell = (grid[of + 3] as number) + (offset >= cells ? cells : offset > 0 ? offset | 0 : 0)
    let count = cellCount[cell] as number
    let at = cellAt[cell] as number
    let same = 0
    let sameAt = 0
    if (count < 0) {
      const bound = index.find(symbol, price)
      const isExact = bounds[bound] === price
      count = (isExact ? exactCount[bound] : openCount[bound]) as number
      at = (isExact ? exactAt[bound] : openAt[bound]) as number
      same = isExact ? (equalCount[bound] as number) : 0
      sameAt = equalAt[bound] as number
    }
    if (chunk.size + count + same > room) {
      chunk = store.next()
      room = chunk.events.length - unrolledMax
    }
    appendSlice(chunk, firstRule + chunk.size, firstEvent + event, at, count)
    if (same > 0) appendSlice(chunk, firstRule + chunk.size, firstEvent + event, sameAt, same)
  }
}
