import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { measureMax } from "../../src/rules/Rule.ts"
import { cutoffOf, lengthAsText, readLength, type RuleWindow } from "../../src/rules/RuleWindow.ts"
import { WindowState } from "../../src/rules/WindowState.ts"

/** An entry of an account, and whether the entry is in the rule's scope. The cents of a reversal are below zero. */
interface Bought {
  readonly storedAt: number
  readonly cents: bigint
  readonly isInScope: boolean
}

const start = Temporal.Instant.from("2026-10-24T20:00:00Z").epochMilliseconds
const hour = 3_600_000
const windows: ReadonlyArray<RuleWindow> = [
  { kind: "ever" },
  { kind: "length", milliseconds: hour },
  { kind: "length", milliseconds: 60_000 },
  { kind: "calendar", by: "hour", timeZone: "Europe/Berlin" },
  { kind: "calendar", by: "day", timeZone: "Europe/Berlin" }
]

/** Adds up the purchases in the scope, from the newest purchase back to the first one that is too old. */
const recounted = (history: ReadonlyArray<Bought>, cutoff: number): { spent: number; count: number } => {
  let spent = 0n
  let count = 0
  for (const { storedAt, cents, isInScope } of history.toReversed()) {
    if (storedAt <= cutoff) break
    if (isInScope) {
      spent += cents
      if (cents > 0n) count += 1
    }
  }
  return { spent: spent > BigInt(measureMax) ? measureMax : Number(spent), count }
}

const amounts = fc.oneof(fc.bigInt({ min: 1n, max: 1_000n }), fc.bigInt({ min: 1n, max: 1_000_000_000_000n }))
const signed = fc.tuple(amounts, fc.boolean()).map(([cents, isReversal]) => (isReversal ? -cents : cents))
const histories = (steps: fc.Arbitrary<number>, cents = amounts) =>
  fc.array(fc.record({ step: steps, cents, isInScope: fc.boolean() }), { maxLength: 80, size: "max" }).map((steps) => {
    let storedAt = start
    return steps.map(({ step, ...bought }): Bought => ({ ...bought, storedAt: (storedAt += step) }))
  })
const rising = fc.oneof(fc.constantFrom(0, 1, 60_000, hour), fc.integer({ min: 0, max: 3 * hour }))
const falling = fc.oneof(rising, fc.integer({ min: -3 * hour, max: 0 }))

const stateOf = (history: ReadonlyArray<Bought>, since: number): WindowState => {
  const state = new WindowState(since)
  for (const { storedAt, cents, isInScope } of history) {
    if (isInScope) state.add(storedAt, cents)
    else state.pass(storedAt)
  }
  state.forget(since)
  return state
}

/**
 * Follows a history with one window state, which is loaded again when it does not reach. Returns how often the state
 * was loaded.
 */
const follow = (window: RuleWindow, history: ReadonlyArray<Bought>): number => {
  const cutoffAt = cutoffOf(window)
  let state = new WindowState(history[0] === undefined ? 0 : cutoffAt(history[0].storedAt))
  let loads = 0
  for (const [index, bought] of history.entries()) {
    const cutoff = cutoffAt(bought.storedAt)
    if (!state.reaches(cutoff)) {
      state = stateOf(history.slice(0, index), cutoff)
      loads += 1
    }
    expect(state.runningSince(cutoff)).toEqual(recounted(history.slice(0, index), cutoff))
    if (bought.isInScope) state.add(bought.storedAt, bought.cents)
    else state.pass(bought.storedAt)
    expect(state.runningSince(cutoff)).toEqual(recounted(history.slice(0, index + 1), cutoff))
    state.forget(cutoff)
  }
  return loads
}

describe("the state of a window", () => {
  it("the state equals a new count of the history at each purchase, and is loaded once while times rise", () => {
    fc.assert(
      fc.property(fc.constantFrom(...windows), histories(rising), (window, history) => {
        expect(follow(window, history)).toBe(0)
      }),
      { numRuns: 1_000 }
    )
  })

  it("the state equals a new count of the history even if times fall, as they may in old ledgers", () => {
    fc.assert(
      fc.property(fc.constantFrom(...windows), histories(falling), (window, history) => {
        follow(window, history)
      }),
      { numRuns: 1_000 }
    )
  })

  it("the state equals a new count of a history with reversals, which lower the sum and are not counted", () => {
    fc.assert(
      fc.property(fc.constantFrom(...windows), histories(falling, signed), (window, history) => {
        follow(window, history)
      }),
      { numRuns: 1_000 }
    )
  })

  it("a sum below zero is exact, down to -2^53 + 1 cents", () => {
    const state = new WindowState(0)
    state.add(1, -BigInt(measureMax) + 1n)
    expect(state.runningSince(0)).toEqual({ spent: -measureMax + 1, count: 0 })
    for (const storedAt of [2, 3]) state.add(storedAt, -1n)
    expect(state.runningSince(0)).toEqual({ spent: -measureMax, count: 0 })
    expect(state.runningSince(2)).toEqual({ spent: -1, count: 0 })
    state.forget(2)
    state.add(4, 5n)
    expect(state.runningSince(2)).toEqual({ spent: 4, count: 1 })
  })

  it("the state keeps no purchase that is too old, and for the window `ever` keeps no purchase at all", () => {
    const window = new WindowState(start)
    const all = new WindowState(Number.NEGATIVE_INFINITY)
    for (let minute = 1; minute <= 10_000; minute += 1) {
      window.add(start + minute * 60_000, 1n)
      window.forget(start + (minute - 60) * 60_000)
      all.add(start + minute * 60_000, 1n)
    }
    expect([window.entries, all.entries]).toEqual([60, 0])
    expect(all.runningSince(Number.NEGATIVE_INFINITY)).toEqual({ spent: 10_000, count: 10_000 })
  })

  it("a sum is exact up to 2^53 - 1 cents, stays at this number above it, and is exact again below it", () => {
    const state = new WindowState(0)
    state.add(1, BigInt(measureMax) - 1n)
    expect(state.runningSince(0).spent).toBe(measureMax - 1)
    state.add(2, 1n)
    expect(state.runningSince(0).spent).toBe(measureMax)
    state.add(3, 1_000_000_000_000n)
    expect(state.runningSince(0).spent).toBe(measureMax)
    expect(state.runningSince(1).spent).toBe(1_000_000_000_001)
  })

  it("the state throws for a window that begins before the kept purchases", () => {
    const state = new WindowState(5)
    expect([state.reaches(4), state.reaches(5)]).toEqual([false, true])
    expect(() => state.runningSince(4)).toThrow("before the purchases that were kept")
  })
})

describe("the cutoff of a window", () => {
  it.each([
    ["PT1M", "2026-10-24T20:00:00Z", "2026-10-24T19:59:00.000Z"],
    ["day", "2026-10-24T22:00:00Z", "2026-10-24T21:59:59.999Z"],
    ["day", "2026-10-25T22:59:59.999Z", "2026-10-24T21:59:59.999Z"],
    ["hour", "2026-10-25T00:30:00Z", "2026-10-24T23:59:59.999Z"],
    ["month", "2026-10-25T00:30:00Z", "2026-09-30T21:59:59.999Z"]
  ] as const)("the cutoff of %s at %s is the last moment before the window, %s", (window, at, cutoff) => {
    const cutoffAt = cutoffOf(
      window === "PT1M"
        ? { kind: "length", milliseconds: 60_000 }
        : { kind: "calendar", by: window, timeZone: "Europe/Berlin" }
    )
    expect(new Date(cutoffAt(Date.parse(at))).toISOString()).toBe(cutoff)
  })
})

describe("the length of a window", () => {
  it("the text of a length is read back as the same length", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 * 86_400 }), (seconds) => {
        expect(readLength(lengthAsText(seconds * 1_000))).toBe(seconds * 1_000)
      })
    )
  })

  it.each([
    ["P1W", 7 * 24 * hour],
    ["PT90M", 1.5 * hour],
    ["P1DT1H", 25 * hour]
  ])("the length %s is read as a number of milliseconds", (text, milliseconds) => {
    expect(readLength(text)).toBe(milliseconds)
  })

  it.each(["", "P", "PT", "P1M", "P1Y", "P-1D", "P1.5D", "1D", "p1d", "P1D ", "PT1H1D"])(
    "the text %j is refused as a length",
    (text) => {
      expect(readLength(text)).toBe(undefined)
    }
  )
})
