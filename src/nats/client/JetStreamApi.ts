import { Effect } from "effect"
import { BrokerRefused, type BrokerFailure, BrokerUnavailable } from "../../protocol/BrokerError.ts"
import type { BrokerConnection } from "./Connection.ts"
import { purposeOf } from "./Purpose.ts"
import type { Request } from "./RequestInbox.ts"

/**
 * The time after which a process repeats a request to the broker's API without an answer. A dead leader does not
 * answer, and the next leader has not received the request.
 */
export const apiTimeoutMilliseconds = 1_000
/** The most attempts of one request to the broker's API. */
const apiAttemptsMax = 5

/** The error codes of the broker's API that the ledger handles. */
export const apiCode = {
  /** The cluster has too few brokers for the replicas of a stream. */
  noPeers: 10_005,
  temporarilyUnavailable: 10_008,
  streamNotFound: 10_059,
  consumerNotFound: 10_014,
  messageNotFound: 10_037,
  streamNameInUse: 10_058,
  wrongLastSequence: 10_071,
  /** An append with an expected sequence came while another message of the subject was in flight. */
  wrongLastSequenceInFlight: 10_164,
  streamFull: 10_077,
  insufficientResources: 10_023
} as const

/** Plain reasons for error codes of the broker. Callers get the plain reason instead of the broker's description. */
const plainReasons: Readonly<Record<number, string>> = {
  [apiCode.streamNotFound]: "the stream is gone; restore it from a backup",
  [apiCode.consumerNotFound]: "the reader of the stream is gone",
  [apiCode.temporarilyUnavailable]: "it has no leader for this yet",
  [apiCode.streamFull]: "its store is full",
  [apiCode.insufficientResources]: "its disk or memory is full"
}

/** An error in an answer of the broker's API. */
interface ApiError {
  readonly code: number
  readonly err_code?: number
  readonly description?: string
}

/**
 * Returns the failure for an error of the API: `BrokerUnavailable` if a stream or the cluster has no leader, and
 * otherwise `BrokerRefused`.
 */
export const refusalOf = (operation: string, error: ApiError): BrokerRefused | BrokerUnavailable => {
  const code = error.err_code ?? error.code
  const plain = plainReasons[code]
  const reason = error.description ?? "it gave no reason"
  if (code === apiCode.temporarilyUnavailable) return new BrokerUnavailable({ operation, reason: plain ?? reason })
  return new BrokerRefused({ operation, code, reason, ...(plain === undefined ? {} : { plain }) })
}

/**
 * Decodes an answer of the JetStream API, which may be an error. The code trusts that an answer has the shape that the
 * documentation of the broker's version describes. Each process checks the broker's version when it starts.
 */
const answerOf = <A>(
  connection: Pick<BrokerConnection, "request">,
  subject: string,
  body: object,
  timeoutMilliseconds: number
): Effect.Effect<A & { readonly error?: ApiError }, BrokerFailure> =>
  Effect.map(
    connection.request({
      operation: purposeOf(subject),
      subject: `$JS.API.${subject}`,
      payload: JSON.stringify(body),
      timeoutMilliseconds
    }),
    (message) => message.json()
  )

/**
 * Logs the subject of a failed request and the broker's error code, for debugging. The message of a failure is for
 * people, and has neither the subject nor the error code.
 */
const toldFor =
  (subject: string) =>
  <A>(asked: Effect.Effect<A, BrokerFailure>): Effect.Effect<A, BrokerFailure> =>
    Effect.tapError(asked, (failure) =>
      Effect.logDebug("the broker was asked in vain").pipe(
        Effect.annotateLogs({
          subject,
          ...(failure._tag === "BrokerRefused" ? { code: failure.code } : {}),
          reason: failure.reason
        })
      )
    )

/** Sends one request to the JetStream API. Fails if the answer is an error. */
export const askJetStreamOnce = <A>(
  connection: Pick<BrokerConnection, "request">,
  subject: string,
  body: object,
  timeoutMilliseconds: number
): Effect.Effect<A, BrokerFailure> =>
  Effect.flatMap(answerOf<A>(connection, subject, body, timeoutMilliseconds), (answer) =>
    answer.error === undefined ? Effect.succeed(answer) : Effect.fail(refusalOf(purposeOf(subject), answer.error))
  ).pipe(toldFor(subject))

/**
 * Repeats a request to the API if no answer comes. A caller may use `untilAnswered` only for reads, and for requests
 * that are safe to make twice.
 */
const untilAnswered = <A>(connection: Pick<BrokerConnection, "hasMajority">, asked: Effect.Effect<A, BrokerFailure>) =>
  Effect.retry(asked, {
    while: (failure) => failure._tag === "OutcomeUnknown" && connection.hasMajority(),
    times: apiAttemptsMax - 1
  })

/** Sends a request to the JetStream API up to five times, until an answer comes. The answer comes from the leader. */
export const askJetStream = <A>(
  connection: Pick<BrokerConnection, "request" | "hasMajority">,
  subject: string,
  body: object
): Effect.Effect<A, BrokerFailure> =>
  untilAnswered(connection, askJetStreamOnce<A>(connection, subject, body, apiTimeoutMilliseconds))

/** A message that is stored in a stream. */
export interface StoredMessage {
  readonly subject: string
  readonly sequence: number
  /** The time at which the broker stored the message, in milliseconds since 1970. */
  readonly storedAt: number
  readonly text: string
}

/** A message that was read from the leader of a stream. */
export interface StreamMessage extends StoredMessage {
  /** The header block of the message, as the sender wrote the block. */
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

/**
 * Reads one message from the leader of a stream, in the encoding of the API. Returns `undefined` if no message fits the
 * query.
 */
const readFromLeader = (
  connection: Pick<BrokerConnection, "request" | "hasMajority">,
  stream: string,
  query: object
): Effect.Effect<StreamMessageAnswer["message"] | undefined, BrokerFailure> => {
  const subject = `STREAM.MSG.GET.${stream}`
  return Effect.flatMap(
    untilAnswered(connection, answerOf<StreamMessageAnswer>(connection, subject, query, apiTimeoutMilliseconds)),
    ({ message, error }) => {
      // Reads of missing messages are usual, so the answer `no message found` is not a failure.
      if (error?.err_code === apiCode.messageNotFound) return Effect.succeed(undefined)
      return error === undefined ? Effect.succeed(message) : Effect.fail(refusalOf(purposeOf(subject), error))
    }
  ).pipe(toldFor(subject))
}

/** Reads one message from the leader of a stream; `undefined` if no message fits the query. */
export const readMessage = (
  connection: Pick<BrokerConnection, "request" | "hasMajority">,
  stream: string,
  query: object
): Effect.Effect<StreamMessage | undefined, BrokerFailure> =>
  Effect.map(
    readFromLeader(connection, stream, query),
    (message) =>
      message && {
        subject: message.subject,
        sequence: message.seq,
        storedAt: Date.parse(message.time),
        text: textOf(message.data),
        headers: textOf(message.hdrs)
      }
  )

/** Reads the bytes of one message from the leader of a stream; `undefined` if no message fits the query. */
export const readPayload = (
  connection: Pick<BrokerConnection, "request" | "hasMajority">,
  stream: string,
  query: object
): Effect.Effect<Uint8Array | undefined, BrokerFailure> =>
  Effect.map(
    readFromLeader(connection, stream, query),
    (message) => message && Buffer.from(message.data ?? "", "base64")
  )

/** The broker's acknowledgement of a message that was published into a stream. */
interface StoredAnswer {
  readonly seq: number
  /** The number of messages in the atomic batch; missing for a message outside of a batch. */
  readonly count?: number
  readonly duplicate?: boolean
  readonly error?: ApiError
}

/** Publishes a message into a stream, and waits until the message is stored. */
export const storeMessage = (
  { request: send, noteStored }: Pick<BrokerConnection, "request" | "noteStored">,
  request: Request
): Effect.Effect<StoredAnswer, BrokerFailure> =>
  Effect.suspend(() => {
    const sentAt = performance.now()
    return Effect.flatMap(send(request), (reply) => {
      const answer = reply.json<StoredAnswer>()
      if (answer.error !== undefined) return Effect.fail(refusalOf(request.operation, answer.error))
      // A leader answers a duplicate alone, without the other brokers.
      if (answer.duplicate !== true) noteStored(sentAt)
      return Effect.succeed(answer)
    })
  })
