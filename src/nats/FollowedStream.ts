import { Duration, Effect, Schema } from "effect"
import { type BrokerFailure, type BrokerRefused, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { type FeedPlace, isAfter } from "../protocol/FeedPlace.ts"
import type { BrokerConnection } from "./client/Connection.ts"
import { askJetStream, type StoredMessage } from "./client/JetStreamApi.ts"
import { readPage } from "./PageRead.ts"
import { type FollowedSubjects, runStreamSession } from "./StreamSession.ts"

/**
 * The most stored messages of one page, and approximately the most bytes of one page. Pages are small, because the
 * broker writes nothing while it reads a page.
 */
export const pageMessagesMax = 64
export const pageBytesMax = 64 * 1024

/**
 * The number of seconds for which an edge of a cluster asks again for the end of a stream that seems to have lost
 * messages. A former leader that is cut off lacks newer messages, and answers for at most twenty seconds.
 */
const formerLeaderSeconds = 25

/** The wait after the end of a session, before an edge follows the stream in a new session. */
const retryWait = Duration.millis(250)

/** A message for the readers of a feed: the revision of an account, or the alerts of one purchase. */
export interface FeedMessage {
  /** The token of the user whose feed has the message. */
  readonly userToken: string
  readonly place: FeedPlace
  /** The time at which the broker stored the message, in milliseconds since 1970. */
  readonly storedAt: number
  readonly text: string
}

/**
 * The failure if a stream ends before a message that was read from the stream. If the end of a stream is now before a
 * message that was read, somebody has replaced the stream by another stream or by an older copy.
 */
export class LedgerReplaced extends Schema.TaggedError<LedgerReplaced>()("LedgerReplaced", {
  readThrough: Schema.Number,
  last: Schema.Number
}) {
  override get message() {
    return `the stream was read up to ${this.readThrough} and ends at ${this.last} now`
  }
}

/** Reads the messages of a stream for feeds, in the order of the stream. */
export interface FollowedStream {
  /** Returns the last sequence of the stream, read from the stream's leader. */
  readonly lastSequence: Effect.Effect<number, BrokerUnavailable | BrokerRefused>
  /**
   * Returns the last sequence of the stream, for a reader that has read the message at `sequence`. The result is less
   * than `sequence` only if the stream was replaced by another stream or by an older copy. In a cluster such a result
   * takes half a minute.
   */
  readonly lastSequenceFrom: (sequence: number) => Effect.Effect<number, BrokerUnavailable | BrokerRefused>
  /**
   * Returns the next messages of all users after a place; an empty list if the stream has no message after the place. A
   * page of messages ends with the last line of a stored message.
   */
  readonly page: (after: FeedPlace) => Effect.Effect<ReadonlyArray<FeedMessage>, BrokerUnavailable | BrokerRefused>
  /**
   * Calls `heard` with every message after the sequence `after`, in order and once for each message, as soon as the
   * message is stored. Fails with `LedgerReplaced` if the stream ends before a message that was passed to `heard`.
   */
  readonly follow: (after: number, heard: (message: FeedMessage) => void) => Effect.Effect<never, LedgerReplaced>
}

/** Says which stored messages of a stream an edge follows, and how the edge decodes these messages. */
interface Followed extends FollowedSubjects {
  /** The name of the stream in messages to people. */
  readonly name: string
  /** Returns the messages for readers that are in one stored message, in the order of the stored message. */
  readonly messagesOf: (stored: StoredMessage) => ReadonlyArray<FeedMessage>
}

interface StreamInfo {
  readonly state: { readonly last_seq: number }
  /**
   * The cluster of the stream; missing if the broker is in no cluster. If the cluster has no leader, `state` is the
   * last state that the broker has known.
   */
  readonly cluster?: { readonly leader?: string }
}

/** Turns the failure `OutcomeUnknown` of a read into `BrokerUnavailable`, because a read changes nothing. */
export const reading =
  (operation: string) =>
  <A>(asked: Effect.Effect<A, BrokerFailure>): Effect.Effect<A, BrokerUnavailable | BrokerRefused> =>
    Effect.mapError(asked, (failure) =>
      failure._tag === "BrokerRefused" ? failure : new BrokerUnavailable({ operation, reason: failure.reason })
    )

/**
 * Returns the last sequence of a stream, read from the stream's leader. `name` is the name of the stream in messages to
 * people.
 */
const lastSequenceOf = (connection: BrokerConnection, { stream, name }: Pick<Followed, "stream" | "name">) => {
  const operation = `read ${name}`
  return askJetStream<StreamInfo>(connection, `STREAM.INFO.${stream}`, {}).pipe(
    Effect.flatMap(({ state, cluster }) =>
      cluster === undefined || cluster.leader !== undefined
        ? Effect.succeed(state.last_seq)
        : Effect.fail(new BrokerUnavailable({ operation, reason: "it has no leader" }))
    ),
    reading(operation)
  )
}

/**
 * Returns the next messages of a subject after a place. `filter` may have wildcards. The list is empty only if the
 * leader has no message of the subject after the place.
 */
export const pageAfter = (
  connection: BrokerConnection,
  { stream, filter, name, messagesOf }: Followed,
  after: FeedPlace
): Effect.Effect<ReadonlyArray<FeedMessage>, BrokerUnavailable | BrokerRefused> =>
  Effect.gen(function* () {
    for (let from = after.sequence + (Number.isFinite(after.line) ? 0 : 1); ;) {
      const stored = yield* readPage(connection, stream, {
        subject: filter,
        from,
        messagesMax: pageMessagesMax,
        bytesMax: pageBytesMax
      })
      const last = stored.at(-1)
      if (last === undefined) return []
      const messages = stored.flatMap(messagesOf).filter(({ place }) => isAfter(place, after))
      if (messages.length > 0) return messages
      from = last.sequence + 1
    }
  }).pipe(reading(`read ${name}`))

/** Makes the reader of the messages of a stream. */
export const makeFollowedStream = (connection: BrokerConnection, followed: Followed): FollowedStream => {
  const { name, messagesOf } = followed
  const lastSequence = lastSequenceOf(connection, followed)
  const lastSequenceFrom = (sequence: number, asked = 1): typeof lastSequence =>
    Effect.flatMap(lastSequence, (last) =>
      last >= sequence || !connection.isClustered() || asked > formerLeaderSeconds
        ? Effect.succeed(last)
        : Effect.delay(lastSequenceFrom(sequence, asked + 1), "1 second")
    )

  const session = Effect.fnUntraced(function* (after: number, heard: (stored: StoredMessage) => void) {
    const last = yield* lastSequenceFrom(after)
    if (last < after) return yield* new LedgerReplaced({ readThrough: after, last })
    return yield* runStreamSession(connection, followed, after, heard)
  })

  const follow = (after: number, heard: (message: FeedMessage) => void) =>
    Effect.gen(function* () {
      let readThrough = after
      const hand = (stored: StoredMessage) => {
        readThrough = stored.sequence
        for (const message of messagesOf(stored)) heard(message)
      }
      while (true) {
        const reason = yield* Effect.scoped(session(readThrough, hand)).pipe(
          Effect.catch((failure) =>
            failure._tag === "LedgerReplaced" ? Effect.fail(failure) : Effect.succeed(failure.message)
          )
        )
        yield* Effect.logInfo(`following ${name} again`).pipe(Effect.annotateLogs({ reason, readThrough }))
        yield* Effect.sleep(retryWait)
      }
    })

  return {
    lastSequence,
    lastSequenceFrom,
    page: (after) => pageAfter(connection, followed, after),
    follow
  }
}
