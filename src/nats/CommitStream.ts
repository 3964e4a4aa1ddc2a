import { Context, Duration, Effect, Layer, Schema } from "effect"
import { type BrokerFailure, type BrokerRefused, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { revisionLinesOf, tokenOfLine } from "../protocol/Commit.ts"
import { type FeedPlace, isAfter } from "../protocol/FeedPlace.ts"
import { commitFilter, journalStream } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"
import type { JournalRecord } from "./CommitChain.ts"
import { runCommitSession } from "./CommitSession.ts"
import { askJetStream } from "./client/JetStreamApi.ts"
import { readPage } from "./PageRead.ts"

/**
 * The most commits of one page, and about the most bytes. The broker writes nothing while it reads a page, so pages are
 * small.
 */
export const pageCommitsMax = 64
export const pageBytesMax = 64 * 1024

/** The wait before the journal is followed again after a session ended. */
const retryWait = Duration.millis(250)

/** A revision of an account, as a line of a commit. */
export interface RevisionMessage {
  readonly userToken: string
  readonly place: FeedPlace
  /** When the broker stored the commit, in milliseconds since 1970. */
  readonly storedAt: number
  readonly text: string
}

/**
 * The journal ends before a sequence up to which it was read. So another journal, or an older copy of this journal, has
 * replaced it.
 */
export class LedgerReplaced extends Schema.TaggedError<LedgerReplaced>()("LedgerReplaced", {
  readThrough: Schema.Number,
  last: Schema.Number
}) {
  override get message() {
    return `the journal was read up to ${this.readThrough} and ends at ${this.last} now`
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
  // The line is copied, because a part of the commit's text would keep the whole text in memory.
  return { userToken, place: { sequence, line: index + 1 }, storedAt, text: Buffer.from(line).toString() }
}

const operation = "read the journal"

/** Turns an unknown outcome into `BrokerUnavailable`, because a read that was not answered has changed nothing. */
const reading = <A>(asked: Effect.Effect<A, BrokerFailure>): Effect.Effect<A, BrokerUnavailable | BrokerRefused> =>
  Effect.mapError(asked, (failure) =>
    failure._tag === "BrokerRefused" ? failure : new BrokerUnavailable({ operation, reason: failure.reason })
  )

interface JournalInfo {
  readonly state: { readonly last_seq: number }
  /**
   * The cluster of the journal; missing if the broker is in no cluster. If the cluster has no leader, `state` is only
   * what the broker last knew.
   */
  readonly cluster?: { readonly leader?: string }
}

/** The commits of all partitions, in the order of the journal. */
export class CommitStream extends Context.Service<
  CommitStream,
  {
    /** Returns the last sequence of the journal, as its leader has it. */
    readonly lastSequence: Effect.Effect<number, BrokerUnavailable | BrokerRefused>
    /**
     * Returns the next revisions of all accounts after a place; an empty list if there are none. A page ends with a
     * whole commit.
     */
    readonly page: (
      after: FeedPlace
    ) => Effect.Effect<ReadonlyArray<RevisionMessage>, BrokerUnavailable | BrokerRefused>
    /**
     * Hands on every revision after the sequence `after`, in order and each once, as soon as it is stored. Fails with
     * `LedgerReplaced` if the journal ends before the revisions that were handed on.
     */
    readonly follow: (after: number, heard: (revision: RevisionMessage) => void) => Effect.Effect<never, LedgerReplaced>
  }
>()("purchases/nats/CommitStream") {
  static readonly layer = Layer.effect(
    CommitStream,
    Effect.gen(function* () {
      const connection = yield* Connection

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

      const session = Effect.fnUntraced(function* (after: number, heard: (commit: JournalRecord) => void) {
        const last = yield* lastSequence
        if (last < after) return yield* new LedgerReplaced({ readThrough: after, last })
        return yield* runCommitSession(connection, after, heard)
      })

      const follow = (after: number, heard: (revision: RevisionMessage) => void) =>
        Effect.gen(function* () {
          let readThrough = after
          const hand = (commit: JournalRecord) => {
            readThrough = commit.sequence
            for (const revision of revisionsOf(commit)) heard(revision)
          }
          while (true) {
            const reason = yield* Effect.scoped(session(readThrough, hand)).pipe(
              Effect.catch((failure) =>
                failure._tag === "LedgerReplaced" ? Effect.fail(failure) : Effect.succeed(failure.message)
              )
            )
            yield* Effect.logInfo("following the journal again").pipe(Effect.annotateLogs({ reason, readThrough }))
            yield* Effect.sleep(retryWait)
          }
        })

      return CommitStream.of({ lastSequence, page, follow })
    })
  )
}
