import { Duration } from "effect"
import { describe, expect, it } from "vitest"
import { type Outcome, retryAfterIn, retryWait, stepAfter } from "../../src/webhook/Backoff.ts"

const answered = (status: number, retryAfter?: Duration.Duration): Outcome => ({
  kind: "answered",
  status,
  answer: "",
  ...(retryAfter === undefined ? {} : { retryAfter })
})
const now = Date.parse("2026-11-29T12:00:00Z")
const fresh = { failures: 0 }
const kindAfter = (outcome: Outcome, before: { failures: number; failingSince?: number } = fresh) =>
  stepAfter(outcome, before, now, 0.5).kind

describe("The step after an attempt", () => {
  it("after a status from 200 to 299, the next alert is delivered", () => {
    expect([200, 202, 204, 299].map((status) => kindAfter(answered(status)))).toEqual(["next", "next", "next", "next"])
  })

  it("after a temporary status, or without an answer, another attempt is made", () => {
    const outcomes: ReadonlyArray<Outcome> = [
      ...[408, 425, 429, 500, 502, 503, 599].map((status) => answered(status)),
      { kind: "failed", reason: "The endpoint could not be reached (ECONNREFUSED)." }
    ]
    expect(new Set(outcomes.map((outcome) => kindAfter(outcome)))).toEqual(new Set(["again"]))
  })

  it("a redirection, a final status or a refused address makes the alert a dead letter", () => {
    const outcomes: ReadonlyArray<Outcome> = [
      ...[301, 302, 307, 308, 400, 401, 403, 404, 409, 422, 451].map((status) => answered(status)),
      { kind: "refused", reason: "The host has no public address." }
    ]
    expect(new Set(outcomes.map((outcome) => kindAfter(outcome)))).toEqual(new Set(["bury"]))
  })

  it("the status 410 pauses the webhook at once", () => {
    expect(stepAfter(answered(410), fresh, now, 0.5)).toEqual({
      kind: "pause",
      reason: "The endpoint answered with the status 410."
    })
  })

  it("a failed attempt pauses the webhook if the first failure was three days ago, and not before", () => {
    const threeDays = Duration.toMillis(Duration.days(3))
    const failing = (since: number) => kindAfter(answered(500), { failures: 9, failingSince: now - since })
    expect([failing(threeDays - 1), failing(threeDays)]).toEqual(["again", "pause"])
  })
})

describe("The wait before another attempt", () => {
  it("the waits between attempts grow as documented, up to ten hours", () => {
    const waits = Array.from({ length: 9 }, (_, index) => Duration.toSeconds(retryWait(index + 1, 0.5)))
    expect(waits).toEqual([5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 36_000])
  })

  it("a wait is shorter or longer at random by at most a fifth", () => {
    expect([0, 1].map((random) => Duration.toMillis(retryWait(1, random)))).toEqual([4_000, 6_000])
  })

  it("a header Retry-After makes the wait longer, up to ten hours, and never shorter", () => {
    const wait = (seconds: number) => Duration.toSeconds(retryWait(1, 0.5, Duration.seconds(seconds)))
    expect([1, 60, 36_000, 999_999_999].map(wait)).toEqual([5, 60, 36_000, 36_000])
    expect(stepAfter(answered(429, Duration.minutes(7)), fresh, now, 0.5)).toMatchObject({
      kind: "again",
      wait: Duration.minutes(7)
    })
  })

  it("a header Retry-After is a number of seconds or a date, and other texts are ignored", () => {
    const read = (header: string | undefined) => {
      const wait = retryAfterIn(header, now)
      return wait && Duration.toSeconds(wait)
    }
    expect(read("120")).toBe(120)
    expect(read("Sun, 29 Nov 2026 12:01:30 GMT")).toBe(90)
    expect(read("Sun, 29 Nov 2026 11:00:00 GMT")).toBe(0)
    expect(["soon", "", "-5", "1e9", undefined].map(read)).toEqual(Array.from({ length: 5 }))
  })
})
