import { Clock, Effect, Schema } from "effect"
import { currency } from "../../account/Money.ts"
import { momentsMax } from "../../protocol/Query.ts"
import {
  clockTime,
  isTimeZone,
  type Window,
  windowEnd,
  type WindowKind,
  windowsOf,
  windowStartBefore,
  type WindowUnit,
  windowUnits
} from "../../account/SpendingWindow.ts"
import { jsonAnswer } from "../contract/AnswerSpec.ts"
import { exactAmount } from "../../protocol/ExactJson.ts"
import { Amount } from "../contract/Amount.ts"
import { field, momentField, askedUserIdField, wordField } from "../contract/Field.ts"
import { problem } from "../contract/Problem.ts"
import { referenceTo } from "../contract/Reference.ts"
import { consistencyParameter, readProblems, readTotalsBefore } from "./AccountReads.ts"
import { Count, countsBody, Currency, emptyAccount, Instant, instant } from "../contract/AnswerBodies.ts"
import { optional, route } from "../route/Route.ts"
import { knownTags, tagged, unchanged } from "../route/ETag.ts"

/** The most windows of one answer. The `next` of an answer leads to the windows after its last window. */
export const windowsMax = momentsMax - 1
/** The number of windows of an answer to a request without `from`. */
const windowsDefault: Record<WindowUnit, number> = { hour: 24, day: 30, month: 12 }

const timeZoneField = field(
  "timeZone",
  "malformed-request",
  Schema.String.check(
    Schema.makeFilter(
      (name: string) =>
        name.length <= 64 && isTimeZone(name)
          ? undefined
          : `must be the name of a time zone like Europe/Berlin, and is ${name.slice(0, 40)}`,
      { toJsonSchema: () => [{ minLength: 1, maxLength: 64, pattern: "^[A-Za-z][A-Za-z0-9_/+-]*$" }, true] }
    )
  )
)

const spent = { total: Amount, purchaseCount: Count, reversalCount: Count }

const Spending = Schema.Struct({
  userId: Schema.String,
  by: Schema.Literals(windowUnits),
  timeZone: Schema.String,
  from: Instant,
  to: Instant,
  currency: Currency,
  ...spent,
  windows: Schema.Array(
    Schema.Struct({
      from: Instant,
      to: Instant.annotateKey({ description: "The first moment after the window." }),
      ...spent
    })
  ).annotateKey({ description: "The windows, oldest first, with the windows in which nothing was bought." }),
  next: Schema.optionalKey(
    Schema.String.annotate({
      description: "The path of the answer with the next windows; missing if the answer has the last window."
    })
  )
}).annotate({
  identifier: "Spending",
  description:
    "The spending of a user in windows of time. `total`, `purchaseCount` and `reversalCount` are the sums of the windows of this answer. The total of a window is negative if its reversals take back more than its purchases cost."
})

/**
 * Returns the range of time that an answer covers. Without `to` the range ends with the current window. Without `from`
 * the range has the default number of windows.
 */
const rangeOf = (kind: WindowKind, from: number | undefined, to: number | undefined, now: number): Window => {
  const end = to ?? windowEnd(kind, now)
  return { from: from ?? windowStartBefore(kind, end - 1, windowsDefault[kind.by] - 1), to: end }
}

const spendingRoute = route({
  method: "GET",
  path: "/users/{id}/spending",
  name: "readSpending",
  group: "Users",
  summary: "The spending of a user in each hour, day or month, exact and current",
  description: `A purchase belongs to the window of its \`storedAt\`. A reversal belongs to the window of its own \`storedAt\`, and counts there as a negative amount. Windows follow the clock and calendar of the time zone. A day on which the clock changes has 23 or 25 hours. Each purchase is in one window. An answer has up to ${windowsMax} windows, and \`next\` leads to the windows after its last window.`,
  stores: false,
  scope: "users:read",
  parameters: { id: askedUserIdField },
  query: {
    by: optional(wordField("by", windowUnits), "day", "The length of a window."),
    from: optional(
      momentField("from"),
      undefined,
      "The beginning of the first window. Without `from` the windows are 24 hours, 30 days or 12 months."
    ),
    to: optional(
      momentField("to"),
      undefined,
      "The end of the last window, which excludes this moment. Without `to` the last window is the current window."
    ),
    timeZone: optional(
      timeZoneField,
      "UTC",
      "The time zone of the windows, by the name of the time zone in the IANA database."
    ),
    consistency: consistencyParameter
  },
  headers: { "if-none-match": knownTags },
  answers: { 200: jsonAnswer("The windows.", Spending, ["etag", "link"]), 304: unchanged },
  problems: readProblems,
  cost: () => 20,
  handle: Effect.fnUntraced(function* (
    { id: userId, by, timeZone, consistency, "if-none-match": known, ...asked },
    edge
  ) {
    const kind = { by, timeZone }
    const range = rangeOf(kind, asked.from, asked.to, yield* Clock.currentTimeMillis)
    if (range.from >= range.to) {
      const detail = `from must be before to, and is ${instant(range.from)}; to is ${instant(range.to)}.`
      return yield* Effect.fail(problem("malformed-request", detail))
    }
    const windows = windowsOf(kind, range, windowsMax)
    const end = windows.at(-1)?.to ?? range.to
    const moments = [range.from, ...windows.map(({ to }) => to)]
    const { revision, totals } = yield* readTotalsBefore(userId, moments, consistency)

    const spentBetween = (first: number, last: number) => {
      const [before = emptyAccount, after = emptyAccount] = [totals[first], totals[last]]
      return {
        total: exactAmount(after.total - before.total),
        ...countsBody({ count: after.count - before.count, reversals: after.reversals - before.reversals })
      }
    }
    const shown = ({ from, to }: Window) => ({ from: clockTime(from, timeZone), to: clockTime(to, timeZone) })
    const rest = new URLSearchParams({ by, from: instant(end), to: instant(range.to), timeZone })
    const next =
      end === range.to ? undefined : referenceTo(edge, `/users/${encodeURIComponent(userId)}/spending?${rest}`)
    const body = () => ({
      userId,
      by,
      timeZone,
      ...shown({ from: range.from, to: end }),
      currency,
      ...spentBetween(0, windows.length),
      windows: windows.map((window, index) => ({ ...shown(window), ...spentBetween(index, index + 1) })),
      ...(next === undefined ? {} : { next })
    })
    const tag = `${revision}.${by}.${range.from}.${range.to}.${timeZone}`
    return tagged(known, tag, body, next === undefined ? {} : { link: `<${next}>; rel="next"` })
  })
})

export const spendingRoutes = [spendingRoute]
