import { Context, Effect, Layer, type Scope } from "effect"
import { createInbox, type Msg } from "nats"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import { inputStream, noticeHeader, partitionFilter, userTokenOfInput } from "../domain/Subject.ts"
import { makeAcknowledgements } from "./Acknowledgements.ts"
import { Connection } from "./Connection.ts"
import { type AckSubject, readAckSubject } from "./AckSubject.ts"
import { askJetStream, askJetStreamOnce } from "./JetStreamApi.ts"
import { statusOf } from "./JetStreamStatus.ts"

const nanosecondsPerMillisecond = 1_000_000
/** A pull request ends by itself after this long, and is followed by another. */
const pullExpiresMilliseconds = 30_000
/** The broker says at least this often that a pull request is alive. */
export const pullHeartbeatMilliseconds = 1_000
/**
 * A consumer lives on one broker, and the cluster may put it on one that has just died: it learns of that minutes
 * later. So another is created after this long, and the first that answers is used.
 */
const createAgainAfterMilliseconds = 400
const createWaitMilliseconds = 5_000
/** Of three brokers one is dead: that all of them are put there is one case in 243. */
const createAttemptsMax = 5
/** A delivery that is not acknowledged comes again after this long; it is dropped as seen, so it costs little. */
const ackWaitMilliseconds = 30_000
/** The broker removes a consumer that nobody pulls from for this long: what a crashed worker left. */
const inactiveMilliseconds = 300_000

/** One delivery of a message of the input log. */
export interface Delivery extends AckSubject {
  readonly payload: Uint8Array
  /** The token of the user whom the message was sent for; `undefined` for a group. */
  readonly userToken: string | undefined
  /** What it counts for against the bytes of a pull request. */
  readonly bytes: number
  /** Where its sender wants to be told that its purchases are applied, as the message says it. */
  readonly noticeTo: string | undefined
  /** Where to acknowledge it. */
  readonly acknowledgeSubject: string
}

/** A delivery whose payload was read: the bytes need not be kept until what they brought is committed. */
export type ReadDelivery = Omit<Delivery, "payload" | "userToken">

/** What a pull request still may deliver. */
interface Demand {
  messages: number
  bytes: number
}

export interface Pull {
  /** Asks for more deliveries, at most so many messages and bytes. */
  readonly request: (messages: number, bytes: number) => void
  /** What is asked for and has not come. */
  readonly outstanding: () => Readonly<Demand>
  /** Acknowledges after the state is written, soon and together with others, and asks the broker to confirm it. */
  readonly acknowledge: (delivery: ReadDelivery) => void
  /** Waits until the broker has confirmed all acknowledgements; only a process that stops has a reason to. */
  readonly confirmed: Effect.Effect<void>
  /** For how many milliseconds the broker was not heard on this pull, while it was asked for something. */
  readonly silence: () => number
}

export interface PullEvents {
  readonly delivered: (delivery: Delivery) => void
  /** A pull request ended with room left: ask again. */
  readonly ended: () => void
  /** The next message has more bytes than was asked for, so that the request ended. */
  readonly oversized: () => void
  /** The consumer is gone: a later owner deleted it, or the broker lost it. */
  readonly lost: (reason: string) => void
}

/** The token of our inbox at which acknowledgements are confirmed; those of pull requests are numbers. */
const confirmation = "confirmed"

const consumerName = (partition: number, epoch: number, attempt: number): string =>
  attempt === 1 ? `p${partition}-${epoch}` : `p${partition}-${epoch}-${attempt}`

const deliveryOf = (message: Msg): Delivery => {
  const acknowledgeSubject = message.reply ?? ""
  const { subject } = message
  return {
    ...readAckSubject(acknowledgeSubject),
    payload: message.data,
    userToken: userTokenOfInput(subject),
    bytes: message.data.length + subject.length + acknowledgeSubject.length + headerBytesMax,
    noticeTo: message.headers?.get(noticeHeader) || undefined,
    acknowledgeSubject
  }
}

// A message id and its field name; counted in full so that our sum is never below the broker's.
const headerBytesMax = 512

const messageOversized = /message size exceeds maxbytes/i
const consumerGone = /consumer (deleted|not found)|no responders|server shutdown|leadership change/i

/** The durable pull consumers of the input log: one a partition and epoch, pulled by the owner of that epoch alone. */
export class PartitionConsumer extends Context.Service<
  PartitionConsumer,
  {
    /** Creates the consumer of an epoch, which starts at `from`. */
    readonly create: (
      partition: number,
      epoch: number,
      from: number,
      unacknowledgedMax: number
    ) => Effect.Effect<void, BrokerFailure>
    /** Deletes a partition's consumers of epochs before this one. */
    readonly deleteBefore: (partition: number, epoch: number) => Effect.Effect<void, BrokerFailure>
    /** Pulls from the consumer of an epoch until the scope closes. */
    readonly pull: (partition: number, epoch: number, events: PullEvents) => Effect.Effect<Pull, never, Scope.Scope>
  }
>()("purchases/nats/PartitionConsumer") {
  static readonly layer = Layer.effect(
    PartitionConsumer,
    Effect.gen(function* () {
      const connection = yield* Connection
      const { client } = connection
      /** Which attempt made the newest consumer of a partition. */
      const made = new Map<number, { readonly epoch: number; readonly attempt: number }>()
      const nameOf = (partition: number, epoch: number): string => {
        const newest = made.get(partition)
        return consumerName(partition, epoch, newest?.epoch === epoch ? newest.attempt : 1)
      }

      const createOnce = (
        partition: number,
        epoch: number,
        attempt: number,
        from: number,
        unacknowledgedMax: number
      ) => {
        const filter = partitionFilter(partition)
        const name = consumerName(partition, epoch, attempt)
        const config = {
          name,
          durable_name: name,
          filter_subject: filter,
          ack_policy: "explicit",
          ack_wait: ackWaitMilliseconds * nanosecondsPerMillisecond,
          max_ack_pending: unacknowledgedMax,
          deliver_policy: "by_start_sequence",
          opt_start_seq: from,
          // Nothing rests on what is acknowledged: the position is in the ledger. On disk each acknowledgement would
          // be a synced write, a fifth of the broker's work, and replicas would have to elect a leader first.
          mem_storage: true,
          num_replicas: 1,
          inactive_threshold: inactiveMilliseconds * nanosecondsPerMillisecond
        }
        return askJetStreamOnce<object>(
          connection,
          `CONSUMER.CREATE.${inputStream}.${name}.${filter}`,
          { stream_name: inputStream, config },
          createWaitMilliseconds
        ).pipe(Effect.map(() => void made.set(partition, { epoch, attempt })))
      }

      const create = (partition: number, epoch: number, from: number, unacknowledgedMax: number) => {
        const attempt = (number: number): Effect.Effect<void, BrokerFailure> => {
          const first = createOnce(partition, epoch, number, from, unacknowledgedMax)
          return number === createAttemptsMax
            ? first
            : Effect.raceFirst(
                first,
                Effect.delay(
                  Effect.suspend(() => attempt(number + 1)),
                  createAgainAfterMilliseconds
                )
              )
        }
        return attempt(1)
      }

      const deleteBefore = (partition: number, epoch: number) =>
        Effect.gen(function* () {
          const prefix = `p${partition}-`
          const { consumers } = yield* askJetStream<{ readonly consumers: ReadonlyArray<string> | null }>(
            connection,
            `CONSUMER.NAMES.${inputStream}`,
            { offset: 0 }
          )
          const older = (consumers ?? []).filter(
            (name) => name.startsWith(prefix) && Number.parseInt(name.slice(prefix.length), 10) < epoch
          )
          yield* Effect.forEach(
            older,
            (name) =>
              askJetStream(connection, `CONSUMER.DELETE.${inputStream}.${name}`, {}).pipe(
                Effect.catchTag("BrokerRefused", () => Effect.void)
              ),
            { discard: true, concurrency: 8 }
          )
        })

      const pull = (partition: number, epoch: number, events: PullEvents) =>
        Effect.gen(function* () {
          const next = `$JS.API.CONSUMER.MSG.NEXT.${inputStream}.${nameOf(partition, epoch)}`
          const prefix = `${createInbox()}.`
          const demands = new Map<string, Demand>()
          let pulls = 0
          let heardAt = performance.now()
          const acknowledgements = makeAcknowledgements(client, connection.isConnected, prefix + confirmation)

          const take = (delivery: Delivery) => {
            for (const [id, demand] of demands) {
              demand.messages -= 1
              demand.bytes -= delivery.bytes
              if (demand.messages <= 0) demands.delete(id)
              return
            }
          }

          const status = (message: Msg) => {
            const code = statusOf(message)
            const description = message.headers?.description ?? ""
            if (code === 100) return
            demands.delete(message.subject.slice(prefix.length))
            if (code === 503 || consumerGone.test(description))
              events.lost(description === "" ? "the broker does not know it" : description.toLowerCase())
            else if (messageOversized.test(description)) events.oversized()
            else events.ended()
          }

          yield* Effect.acquireRelease(
            Effect.sync(() =>
              client.subscribe(`${prefix}*`, {
                callback: (_error, message) => {
                  heardAt = performance.now()
                  if (message.subject === prefix + confirmation) return acknowledgements.heard()
                  if (message.reply === undefined || message.reply === "" || !message.reply.startsWith("$JS.ACK.")) {
                    return status(message)
                  }
                  const delivery = deliveryOf(message)
                  take(delivery)
                  events.delivered(delivery)
                }
              })
            ),
            (subscription) =>
              Effect.sync(() => {
                acknowledgements.close()
                subscription.unsubscribe()
              })
          )

          return {
            request: (messages: number, bytes: number) => {
              pulls += 1
              const id = String(pulls)
              demands.set(id, { messages, bytes })
              if (demands.size === 1) heardAt = performance.now()
              const body = {
                batch: messages,
                max_bytes: bytes,
                expires: pullExpiresMilliseconds * nanosecondsPerMillisecond,
                idle_heartbeat: pullHeartbeatMilliseconds * nanosecondsPerMillisecond
              }
              if (connection.isConnected()) client.publish(next, JSON.stringify(body), { reply: prefix + id })
            },
            outstanding: () => {
              let messages = 0
              let bytes = 0
              for (const demand of demands.values()) {
                messages += demand.messages
                bytes += demand.bytes
              }
              return { messages, bytes: Math.max(0, bytes) }
            },
            acknowledge: (delivery: ReadDelivery) => acknowledgements.add(delivery.acknowledgeSubject),
            confirmed: acknowledgements.confirmed,
            // Without a request the broker owes no sign of life: so it is while a worker has all in hand that it may.
            silence: () => (demands.size === 0 ? 0 : performance.now() - heardAt)
          }
        })

      return PartitionConsumer.of({ create, deleteBefore, pull })
    })
  )
}
