import { Context, Deferred, Effect, Layer, Schema } from "effect"
import { createInbox, nuid } from "nats"
import { type BrokerFailure, type BrokerRefused, BrokerUnavailable } from "../domain/BrokerError.ts"
import { ledgerStream, revisionFilter, userTokenOf } from "../domain/Subject.ts"
import { Connection } from "./Connection.ts"
import { deliveryPlace } from "./DeliveryPlace.ts"
import { askJetStream, readMessage, type StoredMessage } from "./JetStreamApi.ts"
import { statusOf } from "./MessageStatus.ts"
import { readReplica } from "./ReplicaRead.ts"

/** The most revisions, and about the most bytes, of one page: while the broker reads it, nothing is written. */
export const pageRevisionsMax = 128
export const pageBytesMax = 64 * 1024

const nanosecondsPerMillisecond = 1_000_000
/** The broker says at least this often that a consumer is alive; one that was silent for three times that is replaced. */
const heartbeatMilliseconds = 2_000
const silenceMaxMilliseconds = 3 * heartbeatMilliseconds
/** How long nobody may listen before the broker removes the consumer: what an edge that crashed left. */
const inactiveMilliseconds = 10_000
const againAfterMilliseconds = 250

/** A revision of an account as the ledger's stream has it. */
export interface RevisionMessage {
  readonly userToken: string
  /** The ledger sequence. */
  readonly sequence: number
  /** When the broker stored it, in milliseconds since 1970. */
  readonly storedAt: number
  readonly text: string
}

/** The ledger ends before a place that was read from it: another one, or an older state of it, took its place. */
export class LedgerReplaced extends Schema.TaggedError<LedgerReplaced>()("LedgerReplaced", {
  reached: Schema.Number,
  last: Schema.Number
}) {
  override get message() {
    return `the ledger was read up to ${this.reached} and ends at ${this.last} now`
  }
}

const revisionOf = ({ subject, sequence, storedAt, text }: StoredMessage): RevisionMessage => ({
  userToken: userTokenOf(subject),
  sequence,
  storedAt,
  text
})

const operation = "read the ledger"

/** A read that was not answered has changed nothing. */
const reading = <A>(asked: Effect.Effect<A, BrokerFailure>): Effect.Effect<A, BrokerUnavailable | BrokerRefused> =>
  Effect.mapError(asked, (failure) =>
    failure._tag === "BrokerRefused" ? failure : new BrokerUnavailable({ operation, reason: failure.reason })
  )

interface LedgerInfo {
  readonly state: { readonly last_seq: number }
  /** Only of a broker in a cluster. One without a leader answers too, with what it last knew. */
  readonly cluster?: { readonly leader?: string }
}

/** The revisions of accounts in the order of the ledger. */
export class LedgerStream extends Context.Service<
  LedgerStream,
  {
    /** The last sequence of the ledger, as its leader has it. */
    readonly lastSequence: Effect.Effect<number, BrokerUnavailable | BrokerRefused>
    /** The revisions of one account, or of all, after a sequence; empty only when the leader has none. */
    readonly page: (
      after: number,
      userToken?: string
    ) => Effect.Effect<ReadonlyArray<RevisionMessage>, BrokerUnavailable | BrokerRefused>
    /** Hands on every revision after a sequence, in order, each once, as it is stored, until the scope closes. */
    readonly follow: (after: number, heard: (revision: RevisionMessage) => void) => Effect.Effect<never, LedgerReplaced>
  }
>()("purchases/nats/LedgerStream") {
  static readonly layer = Layer.effect(
    LedgerStream,
    Effect.gen(function* () {
      const connection = yield* Connection
      const { client } = connection

      const lastSequence = askJetStream<LedgerInfo>(connection, `STREAM.INFO.${ledgerStream}`, {}).pipe(
        Effect.flatMap(({ state, cluster }) =>
          cluster === undefined || cluster.leader !== undefined
            ? Effect.succeed(state.last_seq)
            : Effect.fail(new BrokerUnavailable({ operation, reason: "it has no leader" }))
        ),
        reading
      )

      /** What any replica has from a sequence on: in order and without a gap, but it may lack the newest, or all. */
      const pageOfReplica = (from: number, filter: string) =>
        Effect.map(
          readReplica(connection, ledgerStream, {
            seq: from,
            next_by_subj: filter,
            batch: pageRevisionsMax,
            max_bytes: pageBytesMax
          }),
          ({ messages }) => messages.map(revisionOf)
        ).pipe(Effect.orElseSucceed(() => []))

      const page = (after: number, userToken?: string) =>
        Effect.gen(function* () {
          const filter = revisionFilter(userToken)
          const first = yield* readMessage(connection, ledgerStream, { seq: after + 1, next_by_subj: filter })
          if (first === undefined) return []
          const revisions = yield* pageOfReplica(first.sequence, filter)
          return revisions[0]?.sequence === first.sequence ? revisions : [revisionOf(first)]
        }).pipe(reading)

      /** One consumer from its creation to its end: a gap, silence, or a connection that broke. */
      const session = (after: number, heard: (revision: RevisionMessage) => void) =>
        Effect.gen(function* () {
          const last = yield* lastSequence
          if (last < after) return yield* new LedgerReplaced({ reached: after, last })
          const name = `feed-${nuid.next()}`
          const inbox = createInbox()
          const ended = Deferred.makeUnsafe<string>()
          const end = (reason: string) => Deferred.doneUnsafe(ended, Effect.succeed(reason))
          let delivered = 0
          let heardAt = performance.now()

          yield* Effect.acquireRelease(
            Effect.sync(() =>
              client.subscribe(inbox, {
                callback: (_error, message) => {
                  heardAt = performance.now()
                  if (statusOf(message) !== 0) {
                    // The broker asks whether we keep up; who reads slowly in a loop answers late.
                    const asks = message.reply ?? message.headers?.get("Nats-Consumer-Stalled") ?? ""
                    if (asks !== "") client.publish(asks)
                    const missed = Number(message.headers?.get("Nats-Last-Consumer") || delivered) !== delivered
                    if (missed) end("the broker delivered something that did not come")
                    return
                  }
                  const place = deliveryPlace(message.reply ?? "")
                  if (place.deliverySequence !== delivered + 1) return void end("a delivery is missing")
                  delivered += 1
                  const { sequence, storedAt } = place
                  heard({ userToken: userTokenOf(message.subject), sequence, storedAt, text: message.string() })
                }
              })
            ),
            (subscription) => Effect.sync(() => subscription.unsubscribe())
          )
          yield* connection.onReconnect(() => end("the connection broke"))

          const filter = revisionFilter()
          const config = {
            name,
            deliver_subject: inbox,
            filter_subject: filter,
            ack_policy: "none",
            deliver_policy: "by_start_sequence",
            opt_start_seq: after + 1,
            mem_storage: true,
            num_replicas: 1,
            flow_control: true,
            idle_heartbeat: heartbeatMilliseconds * nanosecondsPerMillisecond,
            inactive_threshold: inactiveMilliseconds * nanosecondsPerMillisecond
          }
          yield* askJetStream(connection, `CONSUMER.CREATE.${ledgerStream}.${name}.${filter}`, {
            stream_name: ledgerStream,
            config
          })
          const silent = Effect.gen(function* () {
            while (performance.now() - heardAt < silenceMaxMilliseconds) yield* Effect.sleep(heartbeatMilliseconds)
            return "the broker was silent"
          })
          return yield* Effect.raceFirst(Deferred.await(ended), silent)
        })

      const follow = (after: number, heard: (revision: RevisionMessage) => void) =>
        Effect.gen(function* () {
          let reached = after
          const hand = (revision: RevisionMessage) => {
            reached = revision.sequence
            heard(revision)
          }
          while (true) {
            const reason = yield* Effect.scoped(session(reached, hand)).pipe(
              Effect.catch((failure) =>
                failure._tag === "LedgerReplaced" ? Effect.fail(failure) : Effect.succeed(failure.message)
              )
            )
            yield* Effect.logInfo("following the ledger again").pipe(Effect.annotateLogs({ reason, reached }))
            yield* Effect.sleep(againAfterMilliseconds)
          }
        })

      return LedgerStream.of({ lastSequence, page, follow })
    })
  )
}
