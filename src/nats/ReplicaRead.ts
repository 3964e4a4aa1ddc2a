import { Effect } from "effect"
import type { Msg } from "nats"
import { BrokerRefused, type BrokerFailure, OutcomeUnknown } from "../domain/BrokerError.ts"
import type { BrokerConnection } from "./Connection.ts"
import { apiWaitMilliseconds, type StoredMessage } from "./JetStreamApi.ts"
import { statusOf } from "./JetStreamStatus.ts"
import { purposeOf } from "./Purpose.ts"
import type { Request } from "./RequestInbox.ts"

/** What one replica answered, in the order of its stream. */
export interface ReplicaAnswer {
  readonly messages: ReadonlyArray<StoredMessage>
  /** The last sequence that the replica had; nothing where it found nothing, for then it does not say. */
  readonly through: number | undefined
  /** How many it found beyond those, which were too much for one answer. */
  readonly pending: number
}

const endOfBatch = 204
const nothingFound = 404

const numberOf = (message: Msg, header: string): number => Number(message.headers?.get(header))

/** Each message, and the end, names the one before it: a connection between brokers that breaks may lose some. */
const isWhole = (answered: ReadonlyArray<Msg>): boolean => {
  let before = 0
  for (const message of answered) {
    if (numberOf(message, "Nats-Last-Sequence") !== before) return false
    before = numberOf(message, "Nats-Sequence")
  }
  return true
}

const refused = (operation: string, message: Msg): BrokerRefused =>
  new BrokerRefused({ operation, code: statusOf(message), reason: message.headers?.description ?? "it gave no reason" })

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
    timeoutMilliseconds: apiWaitMilliseconds
  }
}

/** Asks the nearest replica for one message; `undefined` if it has none that fits, or not yet. */
const askReplica = (
  connection: Pick<BrokerConnection, "request">,
  stream: string,
  query: object
): Effect.Effect<Msg | undefined, BrokerFailure> => {
  const request = directGet(stream, query)
  return Effect.flatMap(connection.request(request), (message) => {
    const code = statusOf(message)
    if (code === nothingFound) return Effect.succeed(undefined)
    return code === 0 ? Effect.succeed(message) : Effect.fail(refused(request.operation, message))
  })
}

/**
 * Reads what is stored at a sequence from the nearest replica: nothing where it has nothing there, or not yet. It costs
 * the broker a fraction of what its leader's API takes for the same.
 */
export const readReplicaAt = (
  connection: Pick<BrokerConnection, "request">,
  stream: string,
  sequence: number
): Effect.Effect<StoredMessage | undefined, BrokerFailure> =>
  Effect.map(askReplica(connection, stream, { seq: sequence }), (message) => message && messageOf(message))

/** Reads the bytes that are stored at a sequence from the nearest replica; `undefined` if it has nothing there, or not yet. */
export const readReplicaPayload = (
  connection: Pick<BrokerConnection, "request">,
  stream: string,
  sequence: number
): Effect.Effect<Uint8Array | undefined, BrokerFailure> =>
  Effect.map(askReplica(connection, stream, { seq: sequence }), (message) => message?.data)

/**
 * Reads messages of a stream from one of its replicas, the nearest, by the broker's direct get in batches. It is the
 * quickest way to read many, but what it answers may be behind the leader.
 */
export const readReplica = (
  connection: Pick<BrokerConnection, "requestAll">,
  stream: string,
  query: object
): Effect.Effect<ReplicaAnswer, BrokerFailure> => {
  const request = directGet(stream, query)
  const { operation } = request
  const asked = connection.requestAll(request, (message) => statusOf(message) !== 0)
  return Effect.flatMap(asked, (answered): Effect.Effect<ReplicaAnswer, BrokerFailure> => {
    const end = answered.at(-1) as Msg
    const code = statusOf(end)
    if (code !== endOfBatch && code !== nothingFound) {
      return Effect.fail(refused(operation, end))
    }
    if (code === endOfBatch && !isWhole(answered)) {
      return Effect.fail(new OutcomeUnknown({ operation, reason: "a part of the answer is missing" }))
    }
    const through = end.headers?.get("Nats-UpTo-Sequence") ?? ""
    return Effect.succeed({
      messages: answered.slice(0, -1).map(messageOf),
      through: through === "" ? undefined : Number(through),
      pending: numberOf(end, "Nats-Num-Pending")
    })
  })
}
