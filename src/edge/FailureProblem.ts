import { OutcomeUnknown } from "../domain/BrokerError.ts"
import type { NotCurrent } from "../query/QueryClient.ts"
import { isProblem, type Problem, problem } from "./Problem.ts"
import type { PublishFailure } from "./PurchasePublisher.ts"

export type EdgeFailure = Problem | PublishFailure | NotCurrent

/** Seconds after which a caller of an unavailable service may try again. */
const retryAfterSeconds = "1"

/** What a failure means for the caller. */
export const problemOf = (failure: EdgeFailure): Problem => {
  if (isProblem(failure)) return failure
  switch (failure._tag) {
    case "BrokerUnavailable":
    case "BrokerRefused":
    case "EdgeOverloaded":
      return problem("unavailable", `${failure.message}. Nothing was changed; try again.`, {
        "retry-after": retryAfterSeconds
      })
    case "OutcomeUnknown":
      return problem(
        "outcome-unknown",
        `It is not known whether the purchase was stored. Send it again with the same purchaseId; it counts once.`
      )
    case "NotCurrent":
      return problem(
        "not-current",
        `The owner of this account gave no current answer within ${failure.waitedMilliseconds} ms. Try again, or ask for what is known with ?consistency=eventual.`
      )
  }
}

/** The same, where some of a request's purchases are stored: `stored` says how many surely are. */
export const partialProblemOf = (failure: PublishFailure, stored: number): Problem => {
  const whole = problemOf(failure)
  const rest = failure instanceof OutcomeUnknown ? " Whether more were stored is not known." : ""
  return { ...whole, detail: `${stored} purchases were stored before this failed: ${failure.message}.${rest}` }
}
