import { assert, constantFrom, integer, property, record } from "fast-check"
import { describe, expect, it } from "vitest"
import {
  clockTime,
  isTimeZone,
  windowEnd,
  windowsOf,
  windowStart,
  windowStartBefore,
  windowUnits
} from "../../src/account/SpendingWindow.ts"

const hour = 3_600_000
const at = (text: string): number => Temporal.Instant.from(text).epochMilliseconds

// The zones have changes of whole and half hours, offsets of 45 minutes, a change at midnight, and a missing day
// (Apia).
const zones = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "America/Sao_Paulo",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "Pacific/Apia",
  "Africa/Cairo"
]
const kinds = record({ by: constantFrom(...windowUnits), timeZone: constantFrom(...zones) })
const moments = integer({ min: at("1975-01-01T00:00:00Z"), max: at("2040-01-01T00:00:00Z") })

describe("windows of a range", () => {
  it("the windows of a range cover each moment once, and meet only where a calendar window begins", () => {
    assert(
      property(kinds, moments, integer({ min: 1, max: 200 * hour }), (kind, from, length) => {
        const range = { from, to: from + length }
        const windows = windowsOf(kind, range, 1_000)
        expect(windows[0]?.from).toBe(range.from)
        expect(windows.at(-1)?.to).toBe(range.to)
        for (const [index, window] of windows.entries()) {
          expect(window.to).toBeGreaterThan(window.from)
          expect(windowStart(kind, window.to - 1)).toBe(windowStart(kind, window.from))
          if (index > 0) {
            expect(window.from).toBe(windows[index - 1]?.to)
            expect(windowStart(kind, window.from)).toBe(window.from)
          }
        }
      }),
      { numRuns: 500 }
    )
  })

  it("a long range gives a bounded number of windows, and the rest of the range begins where these windows end", () => {
    const kind = { by: "day", timeZone: "Europe/Berlin" } as const
    const range = { from: at("2026-01-01T00:00:00Z"), to: at("2026-02-01T00:00:00Z") }
    const all = windowsOf(kind, range, 100)
    const first = windowsOf(kind, range, 10)
    expect(first).toEqual(all.slice(0, 10))
    expect(windowsOf(kind, { from: first.at(-1)?.to ?? 0, to: range.to }, 100)).toEqual(all.slice(10))
  })
})

describe("a window", () => {
  it("each moment of a window has this window, and a window ends where the next window begins", () => {
    assert(
      property(kinds, moments, (kind, moment) => {
        const start = windowStart(kind, moment)
        const end = windowEnd(kind, moment)
        expect(start).toBeLessThanOrEqual(moment)
        expect(end).toBeGreaterThan(moment)
        expect({
          ofStart: windowStart(kind, start),
          ofLastMoment: windowStart(kind, end - 1),
          ofEnd: windowStart(kind, end)
        }).toEqual({ ofStart: start, ofLastMoment: start, ofEnd: end })
      }),
      { numRuns: 2_000 }
    )
  })

  it.each([
    ["a day of 23 hours", "day", "Europe/Berlin", "2026-03-29T12:00:00Z", 23],
    ["a day of 25 hours", "day", "Europe/Berlin", "2026-10-25T12:00:00Z", 25],
    ["a day whose midnight is not there", "day", "America/Sao_Paulo", "2018-11-04T12:00:00Z", 23],
    ["the first of two hours of one name", "hour", "Europe/Berlin", "2026-10-25T00:30:00Z", 1],
    ["the second of them", "hour", "Europe/Berlin", "2026-10-25T01:30:00Z", 1],
    ["an hour that is put back by half of one", "hour", "Australia/Lord_Howe", "2026-04-04T14:30:00Z", 1.5],
    ["an hour that is put forward by half of one", "hour", "Australia/Lord_Howe", "2026-10-03T15:45:00Z", 0.5],
    ["a month with a change", "month", "Europe/Berlin", "2026-03-15T00:00:00Z", 31 * 24 - 1],
    ["a February of a leap year", "month", "UTC", "2028-02-15T00:00:00Z", 29 * 24]
  ] as const)("a window may be %s", (_what, by, timeZone, moment, hours) => {
    const kind = { by, timeZone }
    expect((windowEnd(kind, at(moment)) - windowStart(kind, at(moment))) / hour).toBe(hours)
  })

  it("the start of an earlier window is found by counting windows back from a moment", () => {
    const berlin = (by: "day" | "month") => ({ by, timeZone: "Europe/Berlin" })
    const shown = (kind: ReturnType<typeof berlin>, windows: number) =>
      clockTime(windowStartBefore(kind, at("2026-03-31T12:00:00Z"), windows), kind.timeZone)
    expect(shown(berlin("day"), 0)).toBe("2026-03-31T00:00:00+02:00")
    expect(shown(berlin("day"), 2)).toBe("2026-03-29T00:00:00+01:00")
    expect(shown(berlin("month"), 1)).toBe("2026-02-01T00:00:00+01:00")
  })
})

describe("a time zone", () => {
  it.each(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])("the time zone %s is known", (name) => {
    expect(isTimeZone(name)).toBe(true)
  })
  it.each(["", "+01:00", "Europe/Nowhere", "../etc", "Europe/Berlin[u-ca=hebrew]"])(
    "the time zone %j is refused",
    (name) => {
      expect(isTimeZone(name)).toBe(false)
    }
  )
})
