import { Effect } from "effect"
import { BrokerRefused, type BrokerFailure, BrokerUnavailable } from "../domain/BrokerError.ts"
import type { BrokerConnection } from "./Connection.ts"
import type { Request } from "./RequestInbox.ts"

/**
 * How long an answer of the broker's API may take before it is asked again: a leader that is gone does not answer, and
 * the next one was not asked.
 */
export const apiWaitMilliseconds = 1_000
const apiAttemptsMax = 5

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
 * Asks the JetStream API once, and reads the answer's JSON. The broker's own answers are trusted to have the shape that
 * its version documents; the version is checked when a process starts.
 */
export const askJetStreamOnce = <A>(
  connection: Pick<BrokerConnection, "request">,
  subject: string,
  body: object,
  timeoutMilliseconds: number
): Effect.Effect<A, BrokerFailure> =>
  connection
    .request({
      operation: subject,
      subject: `$JS.API.${subject}`,
      payload: JSON.stringify(body),
      timeoutMilliseconds
    })
    .pipe(
      Effect.flatMap((message) => {
        const answer: A & { readonly error?: ApiError } = message.json()
        return answer.error === undefined ? Effect.succeed(answer) : Effect.fail(refusalOf(subject, answer.error))
      })
    )

/**
 * Asks the JetStream API, whose answers come from the leader, until it answers. All that is asked here may be asked
 * twice: it reads, or it says how something shall be.
 */
export const askJetStream = <A>(
  connection: Pick<BrokerConnection, "request" | "hasMajority">,
  subject: string,
  body: object
): Effect.Effect<A, BrokerFailure> =>
  Effect.retry(askJetStreamOnce<A>(connection, subject, body, apiWaitMilliseconds), {
    while: (failure) => failure._tag === "OutcomeUnknown" && connection.hasMajority(),
    times: apiAttemptsMax - 1
  })

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

/** A message as a stream's leader has it. */
export interface StreamMessage {
  readonly subject: string
  readonly sequence: number
  /** When the broker stored it, in milliseconds since 1970. */
  readonly storedAt: number
  readonly text: string
  /** The header block as it was sent. */
  readonly headers: string
}

interface StreamMessageAnswer {
  readonly message: {
    readonly subject: string
    readonly seq: number
    readonly time: string
    readonly data?: string
    readonly hdrs?: string
  }
}

const textOf = (base64: string | undefined): string => Buffer.from(base64 ?? "", "base64").toString("utf8")

/** Reads one message from the leader of a stream; nothing when there is none that fits the query. */
export const readMessage = (
  connection: Pick<BrokerConnection, "request" | "hasMajority">,
  stream: string,
  query: object
): Effect.Effect<StreamMessage | undefined, BrokerFailure> =>
  askJetStream<StreamMessageAnswer>(connection, `STREAM.MSG.GET.${stream}`, query).pipe(
    Effect.map(({ message }) => ({
      subject: message.subject,
      sequence: message.seq,
      storedAt: Date.parse(message.time),
      text: textOf(message.data),
      headers: textOf(message.hdrs)
    })),
    Effect.catchTag("BrokerRefused", (refused) =>
      refused.code === apiCode.messageNotFound ? Effect.succeed(undefined) : Effect.fail(refused)
    )
  )

/** What the broker answers to a message that a stream has stored. */
interface StoredAnswer {
  readonly seq: number
  readonly duplicate?: boolean
  readonly error?: ApiError
}

/** Publishes a message into a stream, and waits until it is stored. */
export const storeMessage = (
  connection: Pick<BrokerConnection, "request">,
  request: Request
): Effect.Effect<StoredAnswer, BrokerFailure> =>
  Effect.flatMap(connection.request(request), (reply) => {
    const answer = reply.json<StoredAnswer>()
    return answer.error === undefined ? Effect.succeed(answer) : Effect.fail(refusalOf(request.operation, answer.error))
  })
