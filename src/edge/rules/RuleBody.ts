import { Effect } from "effect"
import { decodeRule, type Rule, RuleProblem } from "../../rules/Rule.ts"
import { jsonMediaType } from "../contract/AnswerSpec.ts"
import { problem } from "../contract/Problem.ts"
import { RuleRequest } from "../contract/RuleBodies.ts"
import { textOfBody } from "../posting/TextBody.ts"
import type { Body } from "../route/Route.ts"

/** The largest body of one rule, in bytes. */
export const ruleBodyBytesMax = 16 * 1024

const tooLarge = problem("body-too-large", `A rule has at most ${ruleBodyBytesMax} bytes.`)

/**
 * Returns the problem for a text that is not a rule. The status is 400 if the shape of the text is wrong, and 422 if a
 * value is refused.
 */
const problemOfRule = ({ kind, message }: RuleProblem) =>
  problem(kind === "malformed" ? "malformed-request" : "refused-by-rules", message)

/**
 * The body of a request with one rule. The numbers of a rule are read exactly from their digits. Repeated and unknown
 * names in the rule are refused.
 */
export const oneRule: Body<Rule> = {
  mediaType: jsonMediaType,
  asked: `one rule as ${jsonMediaType}`,
  documented: RuleRequest,
  read: (http) =>
    Effect.flatMap(textOfBody(http, ruleBodyBytesMax, tooLarge), (text) => {
      const rule = decodeRule(text)
      return rule instanceof RuleProblem ? Effect.fail(problemOfRule(rule)) : Effect.succeed(rule)
    })
}
