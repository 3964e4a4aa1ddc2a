import { OutcomeUnknown, plainMessageOf } from "../../protocol/BrokerError.ts"
import type { FeedFailure } from "../../feed/Feed.ts"
import type { NotCurrent } from "../../asking/QueryClient.ts"
import { isProblem, type Problem, problem, type ProblemKind } from "./Problem.ts"
import type { PublishFailure } from "../../intake/PublishResult.ts"

/** The failures of a route that has declared the problems of the kinds `Kind`. */
export type EdgeFailure<Kind extends ProblemKind = ProblemKind> =
  | Problem<Kind>
  | ("outcome-unknown" extends Kind ? OutcomeUnknown : never)
  | ("unavailable" extends Kind ? Exclude<PublishFailure, OutcomeUnknown> | FeedFailure : never)
  | ("not-current" extends Kind ? NotCurrent : never)

/** Seconds after which a caller of an unavailable service may try again. */
const retryAfterSeconds = "1"

/** Returns a message with a capital first letter, so that the message can begin a sentence. */
const capital = (message: string): string => message.charAt(0).toUpperCase() + message.slice(1)

const problemOfBroker = (failure: PublishFailure | FeedFailure) =>
  failure._tag === "OutcomeUnknown"
    ? problem(
        "outcome-unknown",
        "It is not known whether the purchase was stored. Send it again with the same purchaseId; it counts once."
      )
    : problem("unavailable", `${capital(plainMessageOf(failure))}. Nothing was changed; try again.`, {
        "retry-after": retryAfterSeconds
      })

/** Returns the problem that describes a failure to the caller. */
export const problemOf = (failure: EdgeFailure): Problem => {
  if (isProblem(failure)) return failure
  if (failure._tag !== "NotCurrent") return problemOfBroker(failure)
  return problem(
    "not-current",
    `The owner of this account gave no current answer within ${failure.waitedMilliseconds} ms. Try again, or ask for the last known state with ?consistency=eventual.`
  )
}

/**
 * Returns the problem of a request that failed after some of its purchases were stored. `stored` is the number of
 * purchases that are surely stored.
 */
export const partialProblemOf = (
  failure: PublishFailure,
  stored: number
): Problem<"unavailable" | "outcome-unknown"> => {
  const whole = problemOfBroker(failure)
  const rest = failure instanceof OutcomeUnknown ? " Whether more were stored is not known." : ""
  return whole.withDetail(`${stored} purchases were stored before this failed: ${plainMessageOf(failure)}.${rest}`)
}
