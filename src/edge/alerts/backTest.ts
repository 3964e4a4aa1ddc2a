import { Clock, Duration, Effect, Option, Stream } from "effect"
import type { Context as HttpContext } from "hono"
import { BackTest, type BackTestRequest, backTestsMax, type OpenBackTest } from "../../alerts/BackTest.ts"
import { type BackTestFailure, backTestRevisionsMax, backTestTimeMax } from "../../alerts/BackTestRun.ts"
import { RuleStore } from "../../alerts/RuleStore.ts"
import { lacking } from "../access/Access.ts"
import { callerOf } from "../access/Caller.ts"
import type { FeedPlace } from "../../protocol/FeedPlace.ts"
import type { Alert } from "../../rules/Alert.ts"
import { type Rule, ruleInWords } from "../../rules/Rule.ts"
import { ruleOf, type StoredRule } from "../../rules/RuleSet.ts"
import { wouldBeAlertBody } from "../contract/AlertBodies.ts"
import { linesMediaType, textAnswer } from "../contract/AnswerSpec.ts"
import { askedRuleIdField, askedUserIdField, momentField } from "../contract/Field.ts"
import { instant } from "../contract/AnswerBodies.ts"
import { problem } from "../contract/Problem.ts"
import { referenceTo } from "../contract/Reference.ts"
import { encodeUserCursor, type UserCursor, userCursorField, userMark } from "../contract/UserCursor.ts"
import { optional, route } from "../route/Route.ts"
import { missingRule } from "../rules/routes.ts"
import { oneRule } from "../rules/RuleBody.ts"
import type { EdgeRuntime } from "../runtime/EdgeRuntime.ts"

/** The time that a back-test covers if its request names no `from`. */
const rangeDefault = Duration.days(30)
/** The number of seconds after which a caller whose back-test was refused may try again. */
const retryAfterSeconds = Duration.toSeconds(backTestTimeMax)

const busy = problem(
  "too-many-requests",
  `This edge runs ${backTestsMax} back-tests already. Nothing was changed; try again.`,
  { "retry-after": String(retryAfterSeconds) }
)

const scope = "alerts:read"

const ofSomeUsers = lacking(
  "A back-test of a rule about all users gives their purchases, and this token is for some of them. Use a token of all users.",
  scope
)

/** The points that a back-test costs its caller. A back-test reads about as much as a thousand reads of accounts. */
const cost = () => 1_000

const foreignCursor = problem(
  "malformed-request",
  "cursor does not belong to a back-test of this user. Begin without a cursor."
)

const query = {
  from: optional(
    momentField("from"),
    undefined,
    `The rule judges purchases that were applied at this time or later. Without \`from\` the range has ${Duration.toDays(rangeDefault)} days.`
  ),
  to: optional(
    momentField("to"),
    undefined,
    "The rule judges purchases that were applied before this time. Without `to` the range ends with the newest purchase."
  ),
  cursor: optional(
    userCursorField,
    undefined,
    "The cursor at which the back-test goes on, from the `next` of an earlier request."
  )
}

interface Asked {
  readonly from: number | undefined
  readonly to: number | undefined
  readonly cursor: UserCursor | undefined
}

const answers = {
  200: textAnswer(
    linesMediaType,
    "Lines of JSON. The first line is `{inWords}`: the rule as a sentence. Each alert that the rule would have given is a line `{id, purchase, measured}`, in the order of the ledger. The last line is `{matches, purchases, next}`. `matches` is the number of alerts, and `purchases` is the number of purchases that were judged. `next` is the path with which the back-test goes on; missing if the back-test is complete."
  )
}

const problems = [
  "forbidden",
  "too-many-requests",
  "refused-by-rules",
  "not-current",
  "unavailable",
  "outcome-unknown"
] as const

const description = `The rule judges purchases of the past as if it had been switched on before these purchases. No alert is stored. A request reads ${backTestRevisionsMax} revisions or runs for ${Duration.toSeconds(backTestTimeMax)} s, and then ends with \`next\`. An edge runs ${backTestsMax} back-tests at once.`

/**
 * Returns the place that a cursor names, and the cursor of a place. The place behind a whole commit is written as line
 * 0 of the next sequence.
 */
const placeOf = ({ sequence, taken }: UserCursor): FeedPlace => ({ sequence, line: taken })
const cursorOf = ({ sequence, line }: FeedPlace, user: string): UserCursor =>
  Number.isFinite(line) ? { sequence, taken: line, user } : { sequence: sequence + 1, taken: 0, user }

const rangeOf = Effect.fnUntraced(function* ({ from, to }: Asked) {
  const end = to ?? (yield* Clock.currentTimeMillis)
  const begin = from ?? end - Duration.toMillis(rangeDefault)
  if (begin < end) return { from: begin, to }
  const detail = `from must be before to, and is ${instant(begin)}; to is ${instant(end)}.`
  return yield* Effect.fail(problem("malformed-request", detail))
})

const begin = Effect.fnUntraced(function* (request: BackTestRequest) {
  return yield* Effect.catchTag((yield* BackTest).open(request), "BackTestsBusy", () => Effect.fail(busy))
})

const problemOfRun = (failure: BackTestFailure) =>
  failure._tag === "WindowTooLong"
    ? problem("refused-by-rules", `A back-test cannot measure this: ${failure.message}. Test a shorter window.`)
    : failure

const lineOf = (alert: Alert): string => `${JSON.stringify(wouldBeAlertBody(alert))}\n`

/**
 * Returns the lines of the answer to a back-test, beginning with alerts that are known already. If the back-test fails
 * after the first alerts, the answer ends with a `next`, so that another request can continue.
 */
const linesOf = (
  { next, close }: OpenBackTest,
  rule: Rule,
  first: ReadonlyArray<Alert> | undefined,
  endLine: () => string
) => {
  const alerts = Stream.paginate(first, (alerts: ReadonlyArray<Alert> | undefined) =>
    alerts === undefined
      ? Effect.succeed([[endLine()], Option.none()] as const)
      : next.pipe(
          Effect.tapError((failure) =>
            Effect.logInfo("a back-test ended early").pipe(Effect.annotateLogs({ failure }))
          ),
          Effect.orElseSucceed(() => undefined),
          Effect.map((found) => [alerts.map(lineOf), Option.some(found)] as const)
        )
  )
  return Stream.concat(Stream.succeed(`${JSON.stringify({ inWords: ruleInWords(rule) })}\n`), alerts).pipe(
    Stream.ensuring(Effect.sync(close)),
    Stream.map((line) => Buffer.from(line))
  )
}

interface Tested {
  readonly owner: string
  readonly rule: StoredRule
  /** The path of the request for a back-test, from which the path in `next` is made. */
  readonly path: string
}

/** Answers a request for a back-test with the alerts that the rule would have given. */
const answer = Effect.fnUntraced(function* (edge: EdgeRuntime, http: HttpContext, asked: Asked, tested: Tested) {
  const { owner, rule, path } = tested
  const user = userMark(owner)
  const { cursor } = asked
  if (rule.rule.who === "all" && callerOf(edge, http).users !== "all") return yield* Effect.fail(ofSomeUsers)
  if (cursor !== undefined && cursor.user !== user) return yield* Effect.fail(foreignCursor)
  const range = yield* rangeOf(asked)
  const open = yield* begin({ owner, rule, ...range, after: cursor && placeOf(cursor) })
  const first = yield* open.next.pipe(
    Effect.mapError(problemOfRun),
    Effect.onError(() => Effect.sync(open.close))
  )
  const endLine = () => {
    const { matches, purchases, next } = open.end()
    if (next === undefined) return `${JSON.stringify({ matches, purchases })}\n`
    const rest = new URLSearchParams({
      from: instant(range.from),
      ...(range.to === undefined ? {} : { to: instant(range.to) }),
      cursor: encodeUserCursor(cursorOf(next, user))
    })
    return `${JSON.stringify({ matches, purchases, next: referenceTo(edge, `${path}?${rest}`) })}\n`
  }
  const services = yield* Effect.context<never>()
  return new Response(Stream.toReadableStreamWith(linesOf(open, rule.rule, first, endLine), services), {
    headers: { "content-type": linesMediaType, "cache-control": "no-store" }
  })
})

const userPath = (userId: string) => `/users/${encodeURIComponent(userId)}`

const storedRoute = route({
  method: "POST",
  path: "/users/{id}/rules/{ruleId}/backtest",
  name: "backTestRule",
  group: "Rules",
  summary: "Count how often a stored rule would have been met",
  description,
  scope,
  cost,
  stores: false,
  isLong: true,
  parameters: { id: askedUserIdField, ruleId: askedRuleIdField },
  query,
  answers,
  problems: ["not-found", ...problems],
  handle: Effect.fnUntraced(function* ({ id: owner, ruleId, ...asked }, edge, http) {
    const { set } = yield* (yield* RuleStore).read(owner)
    const rule = ruleOf(set, ruleId)
    if (rule === undefined) return yield* Effect.fail(missingRule(owner, ruleId))
    const path = `${userPath(owner)}/rules/${encodeURIComponent(ruleId)}/backtest`
    return yield* answer(edge, http, asked, { owner, rule, path })
  })
})

const givenRoute = route({
  method: "POST",
  path: "/users/{id}/backtest",
  name: "backTestGivenRule",
  group: "Rules",
  summary: "Count how often a rule would have been met, before the rule is stored",
  description: `${description} The ids of the alerts end with 0. Send the same body to \`next\`.`,
  scope,
  cost,
  stores: false,
  isLong: true,
  parameters: { id: askedUserIdField },
  query,
  bodies: [oneRule],
  answers,
  problems,
  handle: Effect.fnUntraced(function* ({ id: owner, body, ...asked }, edge, http) {
    const rule = { ruleId: "", number: 0, version: 0, rule: body }
    return yield* answer(edge, http, asked, { owner, rule, path: `${userPath(owner)}/backtest` })
  })
})

export const backTestRoutes = [givenRoute, storedRoute]
