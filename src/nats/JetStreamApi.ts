import { Effect } from "effect"
import { BrokerRefused, type BrokerFailure, BrokerUnavailable } from "../domain/BrokerError.ts"
import type { BrokerConnection } from "./Connection.ts"

/** How long an answer of the broker's API may take. */
export const apiWaitMilliseconds = 5_000

/** An error of the API as the broker writes it. */
interface ApiError {
  readonly code: number
  readonly err_code?: number
  readonly description?: string
}

/** What an error in an answer of the broker means: without a leader it can be asked again, else it refused. */
export const refusalOf = (operation: string, error: ApiError): BrokerRefused | BrokerUnavailable => {
  const reason = error.description ?? "no description"
  const code = error.err_code ?? error.code
  return code === apiCode.temporarilyUnavailable
    ? new BrokerUnavailable({ operation, reason })
    : new BrokerRefused({ operation, code, reason })
}

/**
 * Asks the JetStream API, whose answers come from the leader, and reads the answer's JSON. The broker's own answers
 * are trusted to have the shape that its version documents; the version is checked when a process starts.
 */
export const askJetStream = <A>(
  connection: Pick<BrokerConnection, "request">,
  subject: string,
  body: object
): Effect.Effect<A, BrokerFailure> =>
  connection
    .request({
      operation: subject,
      subject: `$JS.API.${subject}`,
      payload: JSON.stringify(body),
      timeoutMilliseconds: apiWaitMilliseconds
    })
    .pipe(
      Effect.flatMap((message) => {
        const answer: A & { readonly error?: ApiError } = message.json()
        return answer.error === undefined ? Effect.succeed(answer) : Effect.fail(refusalOf(subject, answer.error))
      })
    )

/** Error codes of the API that mean something to us. */
export const apiCode = {
  temporarilyUnavailable: 10_008,
  streamNotFound: 10_059,
  consumerNotFound: 10_014,
  messageNotFound: 10_037,
  streamNameInUse: 10_058,
  wrongLastSequence: 10_071,
  /** A guard or an expectation collided with another batch that is under way. */
  wrongLastSequenceInFlight: 10_164,
  streamFull: 10_077,
  insufficientResources: 10_023
} as const
