import { Context, Deferred, Effect, Layer, Schema } from "effect"
import { createInbox, nuid } from "nats"
import { type BrokerFailure, type BrokerRefused, BrokerUnavailable } from "../domain/BrokerError.ts"
import { revisionLinesOf, tokenOfLine } from "../domain/Commit.ts"
import { type FeedPlace, isAfter } from "../domain/FeedPlace.ts"
import { commitFilter, journalStream } from "../domain/Subject.ts"
import { Connection } from "./Connection.ts"
import type { JournalRecord } from "./CommitChain.ts"
import { readAckSubject } from "./AckSubject.ts"
import { askJetStream } from "./JetStreamApi.ts"
import { statusOf } from "./JetStreamStatus.ts"
import { readPage } from "./PageRead.ts"

/** The most commits, and about the most bytes, of one page: while the broker reads it, nothing is written. */
export const pageCommitsMax = 64
export const pageBytesMax = 64 * 1024

const nanosecondsPerMillisecond = 1_000_000
/** The broker says at least this often that a consumer is alive; one that was silent for three times that is replaced. */
const heartbeatMilliseconds = 2_000
const silenceMaxMilliseconds = 3 * heartbeatMilliseconds
/** How long nobody may listen before the broker removes the consumer: what an edge that crashed left. */
const inactiveMilliseconds = 10_000
const againAfterMilliseconds = 250

/** A revision of an account, as a line of a commit. */
export interface RevisionMessage {
  readonly userToken: string
  readonly place: FeedPlace
  /** When the broker stored the commit, in milliseconds since 1970. */
  readonly storedAt: number
  readonly text: string
}

/** The journal ends before a place that was read from it: another one, or an older state of it, took its place. */
export class LedgerReplaced extends Schema.TaggedError<LedgerReplaced>()("LedgerReplaced", {
  reached: Schema.Number,
  last: Schema.Number
}) {
  override get message() {
    return `the journal was read up to ${this.reached} and ends at ${this.last} now`
  }
}

/** Returns the revisions of a commit, in the order of its lines. A take-over has none. */
export const revisionsOf = ({ sequence, storedAt, text }: JournalRecord): Array<RevisionMessage> =>
  revisionLinesOf(text).map((line, index) => ({
    userToken: tokenOfLine(line),
    place: { sequence, line: index + 1 },
    storedAt,
    text: line
  }))

/** Returns a user's revision in a commit; `undefined` if the commit has none. */
export const revisionOfUser = (commit: JournalRecord, userToken: string): RevisionMessage | undefined => {
  const { sequence, storedAt } = commit
  const lines = revisionLinesOf(commit.text)
  const index = lines.findIndex((line) => tokenOfLine(line) === userToken)
  const line = lines[index]
  if (line === undefined) return undefined
  // A line would keep the whole commit in memory, of which it is a part, so this is a copy of it.
  return { userToken, place: { sequence, line: index + 1 }, storedAt, text: Buffer.from(line).toString() }
}

const operation = "read the journal"

/** A read that was not answered has changed nothing. */
const reading = <A>(asked: Effect.Effect<A, BrokerFailure>): Effect.Effect<A, BrokerUnavailable | BrokerRefused> =>
  Effect.mapError(asked, (failure) =>
    failure._tag === "BrokerRefused" ? failure : new BrokerUnavailable({ operation, reason: failure.reason })
  )

interface JournalInfo {
  readonly state: { readonly last_seq: number }
  /** Only of a broker in a cluster. One without a leader answers too, with what it last knew. */
  readonly cluster?: { readonly leader?: string }
}

/** The commits of all partitions, in the order of the journal. */
export class CommitStream extends Context.Service<
  CommitStream,
  {
    /** The last sequence of the journal, as its leader has it. */
    readonly lastSequence: Effect.Effect<number, BrokerUnavailable | BrokerRefused>
    /** The next revisions of all accounts after a place, to the end of a commit; empty only if the leader has none. */
    readonly page: (
      after: FeedPlace
    ) => Effect.Effect<ReadonlyArray<RevisionMessage>, BrokerUnavailable | BrokerRefused>
    /** Hands on every revision after a commit, in order, each once, as it is stored, until the scope closes. */
    readonly follow: (after: number, heard: (revision: RevisionMessage) => void) => Effect.Effect<never, LedgerReplaced>
  }
>()("purchases/nats/CommitStream") {
  static readonly layer = Layer.effect(
    CommitStream,
    Effect.gen(function* () {
      const connection = yield* Connection
      const { client } = connection

      const lastSequence = askJetStream<JournalInfo>(connection, `STREAM.INFO.${journalStream}`, {}).pipe(
        Effect.flatMap(({ state, cluster }) =>
          cluster === undefined || cluster.leader !== undefined
            ? Effect.succeed(state.last_seq)
            : Effect.fail(new BrokerUnavailable({ operation, reason: "it has no leader" }))
        ),
        reading
      )

      const commitsFrom = (from: number) =>
        readPage(connection, journalStream, {
          subject: commitFilter,
          from,
          messagesMax: pageCommitsMax,
          bytesMax: pageBytesMax
        })

      const page = (after: FeedPlace) =>
        Effect.gen(function* () {
          for (let from = after.sequence + (Number.isFinite(after.line) ? 0 : 1); ;) {
            const commits = yield* commitsFrom(from)
            const last = commits.at(-1)
            if (last === undefined) return []
            const revisions = commits.flatMap(revisionsOf).filter(({ place }) => isAfter(place, after))
            if (revisions.length > 0) return revisions
            from = last.sequence + 1
          }
        }).pipe(reading)

      /** One consumer from its creation to its end: a gap, silence, or a connection that broke. */
      const session = (after: number, heard: (commit: JournalRecord) => void) =>
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
                  const place = readAckSubject(message.reply ?? "")
                  if (place.deliverySequence !== delivered + 1) return void end("a delivery is missing")
                  delivered += 1
                  const { sequence, storedAt } = place
                  heard({ sequence, storedAt, text: message.string() })
                }
              })
            ),
            (subscription) => Effect.sync(() => subscription.unsubscribe())
          )
          yield* connection.onReconnect(() => end("the connection broke"))

          const config = {
            name,
            deliver_subject: inbox,
            filter_subject: commitFilter,
            ack_policy: "none",
            deliver_policy: "by_start_sequence",
            opt_start_seq: after + 1,
            mem_storage: true,
            num_replicas: 1,
            flow_control: true,
            idle_heartbeat: heartbeatMilliseconds * nanosecondsPerMillisecond,
            inactive_threshold: inactiveMilliseconds * nanosecondsPerMillisecond
          }
          yield* askJetStream(connection, `CONSUMER.CREATE.${journalStream}.${name}.${commitFilter}`, {
            stream_name: journalStream,
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
          const hand = (commit: JournalRecord) => {
            reached = commit.sequence
            for (const revision of revisionsOf(commit)) heard(revision)
          }
          while (true) {
            const reason = yield* Effect.scoped(session(reached, hand)).pipe(
              Effect.catch((failure) =>
                failure._tag === "LedgerReplaced" ? Effect.fail(failure) : Effect.succeed(failure.message)
              )
            )
            yield* Effect.logInfo("following the journal again").pipe(Effect.annotateLogs({ reason, reached }))
            yield* Effect.sleep(againAfterMilliseconds)
          }
        })

      return CommitStream.of({ lastSequence, page, follow })
    })
  )
}
