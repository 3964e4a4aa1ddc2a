import { Effect } from "effect"
import type { Msg } from "nats"
import { BrokerRefused, type BrokerFailure, OutcomeUnknown } from "../../protocol/BrokerError.ts"
import type { BrokerConnection } from "./Connection.ts"
import { apiTimeoutMilliseconds, type StoredMessage } from "./JetStreamApi.ts"
import { isEndOfBatch, isNotFound, reasonOf, statusOf } from "./JetStreamStatus.ts"
import { purposeOf } from "./Purpose.ts"
import type { Request } from "./RequestInbox.ts"

const numberOf = (message: Msg, header: string): number => Number(message.headers?.get(header))

/**
 * Returns whether the answer to a read is complete. Each message of the answer names the sequence of the message
 * before, and so does the end of the answer. Messages of the answer may be lost if a connection between brokers breaks.
 */
const isWhole = (answered: ReadonlyArray<Msg>): boolean => {
  let before = 0
  for (const message of answered) {
    if (numberOf(message, "Nats-Last-Sequence") !== before) return false
    before = numberOf(message, "Nats-Sequence")
  }
  return true
}

const refused = (operation: string, message: Msg): BrokerRefused =>
  new BrokerRefused({ operation, code: statusOf(message), reason: reasonOf(message) })

const messageOf = (message: Msg): StoredMessage => ({
  subject: message.headers?.get("Nats-Subject") ?? "",
  sequence: numberOf(message, "Nats-Sequence"),
  storedAt: Date.parse(message.headers?.get("Nats-Time-Stamp") ?? ""),
  text: message.string()
})

const directGet = (stream: string, query: object): Request => {
  const subject = `DIRECT.GET.${stream}`
  return {
    operation: purposeOf(subject),
    subject: `$JS.API.${subject}`,
    payload: JSON.stringify(query),
    timeoutMilliseconds: apiTimeoutMilliseconds
  }
}

/**
 * Asks the nearest replica for one message. Returns `undefined` if the replica does not have the message, perhaps only
 * because it lacks the newest messages.
 */
const askReplica = (
  connection: Pick<BrokerConnection, "request">,
  stream: string,
  query: object
): Effect.Effect<Msg | undefined, BrokerFailure> => {
  const request = directGet(stream, query)
  return Effect.flatMap(connection.request(request), (message) => {
    if (isNotFound(message)) return Effect.succeed(undefined)
    return statusOf(message) === 0 ? Effect.succeed(message) : Effect.fail(refused(request.operation, message))
  })
}

/**
 * Reads the message at a sequence from the nearest replica. Returns `undefined` if the replica does not have the
 * message, perhaps only because it lacks the newest messages. A read at a sequence goes to a replica, because a read
 * from the leader costs the broker more work.
 */
export const readReplicaAt = (
  connection: Pick<BrokerConnection, "request">,
  stream: string,
  sequence: number
): Effect.Effect<StoredMessage | undefined, BrokerFailure> =>
  Effect.map(askReplica(connection, stream, { seq: sequence }), (message) => message && messageOf(message))

/**
 * Reads the bytes of the message at a sequence from the nearest replica. Returns `undefined` if the replica does not
 * have the message, perhaps only because it lacks the newest messages.
 */
export const readReplicaPayload = (
  connection: Pick<BrokerConnection, "request">,
  stream: string,
  sequence: number
): Effect.Effect<Uint8Array | undefined, BrokerFailure> =>
  Effect.map(askReplica(connection, stream, { seq: sequence }), (message) => message?.data)

/**
 * Reads messages from the nearest replica of a stream, in the order of the stream, by the broker's batched direct get.
 * The result may lack the newest messages of the stream. Fails with `OutcomeUnknown` if a part of the answer is
 * missing.
 */
export const readReplica = (
  connection: Pick<BrokerConnection, "requestAll">,
  stream: string,
  query: object
): Effect.Effect<ReadonlyArray<StoredMessage>, BrokerFailure> => {
  const request = directGet(stream, query)
  const { operation } = request
  const asked = connection.requestAll(request, (message) => statusOf(message) !== 0)
  return Effect.flatMap(asked, (answered): Effect.Effect<ReadonlyArray<StoredMessage>, BrokerFailure> => {
    const end = answered.at(-1) as Msg
    if (!isEndOfBatch(end) && !isNotFound(end)) return Effect.fail(refused(operation, end))
    if (isEndOfBatch(end) && !isWhole(answered)) {
      return Effect.fail(new OutcomeUnknown({ operation, reason: "a part of the answer is missing" }))
    }
    return Effect.succeed(answered.slice(0, -1).map(messageOf))
  })
}
