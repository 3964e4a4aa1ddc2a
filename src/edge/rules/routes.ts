import { Effect } from "effect"
import type { OtherVersion } from "../../alerts/RuleChange.ts"
import { type ChangeFailure, RuleStore } from "../../alerts/RuleStore.ts"
import { ruleOf } from "../../rules/RuleSet.ts"
import { lacking } from "../access/Access.ts"
import { callerOf } from "../access/Caller.ts"
import { emptyAnswer, jsonAnswer, reply } from "../contract/AnswerSpec.ts"
import { askedRuleIdField, askedUserIdField } from "../contract/Field.ts"
import { problem } from "../contract/Problem.ts"
import { ruleReference } from "../contract/Reference.ts"
import { listedRuleBody, RuleList, StoredRuleBody, storedRuleBody } from "../contract/RuleBodies.ts"
import { knownTags, tagged, unchanged } from "../route/ETag.ts"
import { route } from "../route/Route.ts"
import { oneRule } from "./RuleBody.ts"
import { ifMatch, ifNoneMatch } from "./Versions.ts"

const ruleParameters = { id: askedUserIdField, ruleId: askedRuleIdField }

/** Returns the problem for a rule that the user does not have. */
export const missingRule = (userId: string, ruleId: string) =>
  problem("not-found", `User ${userId} has no rule ${ruleId}. GET /users/{id}/rules lists the rules.`)

const otherVersion = (userId: string, { ruleId, version }: OtherVersion) =>
  problem(
    "precondition-failed",
    version === undefined
      ? `User ${userId} has no rule ${ruleId}, so If-Match cannot hold. Nothing was changed. Leave out If-Match to create the rule.`
      : `The rule ${ruleId} of user ${userId} has the ETag "${version}". Nothing was changed. Read the rule, and send If-Match: "${version}" to change it.`
  )

/** Returns the problem for a change of rules that was not made. Returns a failure of the broker unchanged. */
const problemOfChange = (userId: string, failure: ChangeFailure) => {
  switch (failure._tag) {
    case "OtherVersion":
      return otherVersion(userId, failure)
    case "RulesBusy":
      return problem("unavailable", `${failure.reason} Nothing was changed; try again.`, { "retry-after": "1" })
    case "OutcomeUnknown":
      return problem(
        "outcome-unknown",
        "It is not known whether the rules were changed. Send the same request again: a change that is stored already changes nothing."
      )
    default:
      return failure
  }
}

const ofSomeUsers = lacking(
  "A rule about all users tells of their purchases, and this token is for some of them. Nothing was changed; use a token of all users.",
  "rules:write"
)

const putRoute = route({
  method: "PUT",
  path: "/users/{id}/rules/{ruleId}",
  name: "putRule",
  group: "Rules",
  summary: "Set a rule of a user",
  description:
    "Purchases that are stored after the answer are judged by the rule. A PUT of the same rule changes nothing, and keeps the version of the rule.",
  scope: "rules:write",
  stores: true,
  parameters: ruleParameters,
  headers: { "if-match": ifMatch, "if-none-match": ifNoneMatch },
  bodies: [oneRule],
  answers: {
    200: jsonAnswer("The user had a rule with this id. The rule now has the content of the body.", StoredRuleBody, [
      "etag"
    ]),
    201: jsonAnswer("The rule is new.", StoredRuleBody, ["etag", "location"])
  },
  problems: ["forbidden", "refused-by-rules", "precondition-failed", "rules-full", "unavailable", "outcome-unknown"],
  handle: Effect.fnUntraced(function* (request, edge, http) {
    const { id: userId, ruleId, body, "if-match": has, "if-none-match": hasNot } = request
    if (body.who === "all" && callerOf(edge, http).users !== "all") return yield* Effect.fail(ofSomeUsers)
    const store = yield* RuleStore
    const put = yield* Effect.mapError(store.put(userId, ruleId, body, { has, hasNot }), (failure) =>
      failure._tag === "NoRoomForRule" ? problem("rules-full", failure.reason) : problemOfChange(userId, failure)
    )
    const answer = { ...storedRuleBody(userId, put.rule), ledgerSequence: put.sequence }
    const etag = `"${put.rule.version}"`
    return put.isNew
      ? reply(201, answer, { etag, location: ruleReference(edge, userId, ruleId) })
      : reply(200, answer, { etag })
  })
})

const readRoute = route({
  method: "GET",
  path: "/users/{id}/rules/{ruleId}",
  name: "readRule",
  group: "Rules",
  summary: "One rule of a user",
  scope: "rules:read",
  stores: false,
  parameters: ruleParameters,
  headers: { "if-none-match": knownTags },
  answers: { 200: jsonAnswer("The rule.", StoredRuleBody, ["etag"]), 304: unchanged },
  problems: ["not-found", "unavailable"],
  handle: Effect.fnUntraced(function* ({ id: userId, ruleId, "if-none-match": known }) {
    const { set } = yield* (yield* RuleStore).read(userId)
    const found = ruleOf(set, ruleId)
    if (found === undefined) return yield* Effect.fail(missingRule(userId, ruleId))
    return tagged(known, String(found.version), () => storedRuleBody(userId, found))
  })
})

const removeRoute = route({
  method: "DELETE",
  path: "/users/{id}/rules/{ruleId}",
  name: "removeRule",
  group: "Rules",
  summary: "Remove a rule of a user",
  description:
    "Purchases that are stored after the answer are not judged by the rule. A second DELETE of the rule gets 404.",
  scope: "rules:write",
  stores: true,
  parameters: ruleParameters,
  headers: { "if-match": ifMatch },
  answers: { 204: emptyAnswer("The rule is removed.") },
  problems: ["precondition-failed", "not-found", "unavailable", "outcome-unknown"],
  handle: Effect.fnUntraced(function* ({ id: userId, ruleId, "if-match": has }) {
    const store = yield* RuleStore
    yield* Effect.mapError(store.remove(userId, ruleId, { has }), (failure) =>
      failure._tag === "RuleMissing" ? missingRule(userId, ruleId) : problemOfChange(userId, failure)
    )
    return reply(204, undefined)
  })
})

const listRoute = route({
  method: "GET",
  path: "/users/{id}/rules",
  name: "listRules",
  group: "Rules",
  summary: "All rules of a user, oldest first",
  scope: "rules:read",
  stores: false,
  parameters: { id: askedUserIdField },
  headers: { "if-none-match": knownTags },
  answers: { 200: jsonAnswer("The rules.", RuleList, ["etag"]), 304: unchanged },
  problems: ["unavailable"],
  handle: Effect.fnUntraced(function* ({ id: userId, "if-none-match": known }) {
    const { sequence, set } = yield* (yield* RuleStore).read(userId)
    return tagged(known, String(set.changes), () => ({
      userId,
      ledgerSequence: sequence,
      rules: set.rules.map(listedRuleBody)
    }))
  })
})

export const ruleRoutes = [listRoute, putRoute, readRoute, removeRoute]
