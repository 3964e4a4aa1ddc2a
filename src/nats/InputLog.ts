import { Context, Duration, Effect, Exit, Layer } from "effect"
import type { MsgHdrs } from "nats"
import { type BrokerFailure, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { inputStream, noticeHeader, partitionFilter, traceHeader } from "../protocol/Subject.ts"
import { writtenHeaders } from "./client/WrittenHeaders.ts"
import { type BrokerConnection, Connection, leaderCutOff, noMajority } from "./client/Connection.ts"
import { askJetStream, readMessage, storeMessage } from "./client/JetStreamApi.ts"
import { capacityOf } from "./StreamCapacity.ts"
import { StoreOutage } from "./StoreOutage.ts"
import type { StoredAt } from "./FirstStoredSince.ts"

/**
 * The time after which an edge sends a message again, if the broker has not stored it. The time
 * `appendTimeoutMilliseconds` is shorter than the shortest election of a leader.
 */
const appendTimeoutMilliseconds = 2_000

/**
 * The longest wait for the connection that a purge opens. If the connection does not open within this time, the purge
 * fails, and the janitor's next purge tries again.
 */
const janitorConnectWait = Duration.seconds(5)

/** The name of the operation in the messages of the errors of `append`. */
const storing = "store purchases"

export interface Stored {
  /**
   * The sequence of the stored message in the input log. For a duplicate, `sequence` is the sequence of the first
   * message with the same id.
   */
  readonly sequence: number
  /** Whether the broker has stored a message with the same id before, within the duplicate window. */
  readonly duplicate: boolean
}

interface InputInfo {
  readonly config: { readonly max_bytes: number }
  readonly state: { readonly first_seq: number; readonly last_seq: number; readonly bytes: number }
  /**
   * The cluster of the stream; missing if the broker is in no cluster. If the stream has no leader, `state` is the last
   * state that the broker has known.
   */
  readonly cluster?: { readonly leader?: string }
}

const headersOf = (
  messageId: string,
  noticeTo: string | undefined,
  traceparents: ReadonlyArray<string> = []
): MsgHdrs =>
  writtenHeaders(
    `Nats-Msg-Id: ${messageId}\r\n${noticeTo === undefined ? "" : `${noticeHeader}: ${noticeTo}\r\n`}` +
      traceparents.map((traceparent) => `${traceHeader}: ${traceparent}\r\n`).join("")
  )

interface InputQuery {
  readonly seq?: number
  readonly next_by_subj?: string
  readonly last_by_subj?: string
}

const withoutLeader = () =>
  new BrokerUnavailable({ operation: "read the state of the input log", reason: "the input log has no leader" })

/**
 * Removes all messages of the input log below a sequence. Opens a short connection for the purge, because only the role
 * `janitor` may purge.
 */
const purgeAsJanitor = (connection: BrokerConnection, sequence: number): Effect.Effect<void, BrokerFailure> => {
  const unavailable = (reason: string) => new BrokerUnavailable({ operation: "clean up the input log", reason })
  return connection.inRole("janitor").pipe(
    Effect.timeoutOrElse({
      duration: janitorConnectWait,
      orElse: () => Effect.fail(unavailable("no connection in the role of the janitor"))
    }),
    Effect.catchTag("CredentialsRefused", ({ problem }) => Effect.fail(unavailable(problem))),
    Effect.flatMap((janitor) => askJetStream<object>(janitor, `STREAM.PURGE.${inputStream}`, { seq: sequence })),
    Effect.scoped,
    Effect.asVoid
  )
}

/** Reads and writes the input log. Every read asks the leader of the stream. */
export class InputLog extends Context.Service<
  InputLog,
  {
    /**
     * Stores one message of purchases. A caller may send the same message with the same id again within the duplicate
     * window. `noticeTo` is the address to which workers send the notices of the purchases. `traceparents` are the
     * traces of the requests whose purchases are in the message.
     */
    readonly append: (
      subject: string,
      messageId: string,
      payload: string,
      noticeTo?: string,
      traceparents?: ReadonlyArray<string>
    ) => Effect.Effect<Stored, BrokerFailure>
    /**
     * Returns for how many milliseconds all appends have failed; 0 if the newest append succeeded, or if no message was
     * sent lately. A broker that does not reach most other brokers may answer reads, and store nothing.
     */
    readonly failingFor: () => number
    /** Returns the sequence of a partition's newest message; 0 if the partition has no message. */
    readonly lastSequence: (partition: number) => Effect.Effect<number, BrokerFailure>
    /**
     * Returns the sequence of a partition's newest message after `sequence`. Returns `sequence` itself if the log has
     * no message of the partition after `sequence`. A read without a newer message is the usual case, and is cheap,
     * because the broker then sends no message. Fails if the leader may be a former leader that was cut off.
     */
    readonly newestAfter: (partition: number, sequence: number) => Effect.Effect<number, BrokerFailure>
    /** Reads the first and the last sequence of the whole input log. */
    readonly bounds: Effect.Effect<{ readonly first: number; readonly last: number }, BrokerFailure>
    /**
     * Reads the number of bytes in the input log, and the most bytes of the input log; `Infinity` for an input log
     * without a bound.
     */
    readonly capacity: Effect.Effect<{ readonly bytes: number; readonly bytesMax: number }, BrokerFailure>
    /** Returns the first message at or after a sequence; `undefined` if the input log has no such message. */
    readonly messageFrom: (sequence: number) => Effect.Effect<StoredAt | undefined, BrokerFailure>
    /** Removes all messages of the input log below a sequence. */
    readonly purgeBelow: (sequence: number) => Effect.Effect<void, BrokerFailure>
  }
>()("purchases/nats/InputLog") {
  static readonly layer = Layer.effect(
    InputLog,
    Effect.gen(function* () {
      const connection = yield* Connection
      const outage = new StoreOutage()

      /**
       * While the leader has lost the other brokers, sends the leader only one message from time to time. A leader that
       * has lost the other brokers takes messages, and never answers.
       */
      const unlessHopeless = <A>(append: Effect.Effect<A, BrokerFailure>): Effect.Effect<A, BrokerFailure> =>
        Effect.suspend(() => {
          const now = performance.now()
          if (outage.isTriedLately(now) && !connection.hasMajority()) return Effect.fail(noMajority(storing))
          outage.began(now)
          return Effect.onExit(append, (exit) => Effect.sync(() => outage.ended(Exit.isSuccess(exit), now)))
        })

      const read = (query: InputQuery) => readMessage(connection, inputStream, query)

      const lastSequence = (partition: number) =>
        Effect.map(read({ last_by_subj: partitionFilter(partition) }), (last) => last?.sequence ?? 0)

      const info = askJetStream<InputInfo>(connection, `STREAM.INFO.${inputStream}`, {}).pipe(
        Effect.flatMap((answer) =>
          answer.cluster === undefined || answer.cluster.leader !== undefined
            ? Effect.succeed(answer)
            : Effect.fail(withoutLeader())
        )
      )

      return InputLog.of({
        append: (subject, messageId, payload, noticeTo, traceparents) =>
          storeMessage(connection, {
            operation: storing,
            subject,
            payload,
            headers: headersOf(messageId, noticeTo, traceparents),
            timeoutMilliseconds: appendTimeoutMilliseconds
          }).pipe(
            unlessHopeless,
            Effect.map(({ seq, duplicate }) => ({ sequence: seq, duplicate: duplicate === true }))
          ),
        failingFor: () => outage.failingFor(performance.now()),
        lastSequence,
        newestAfter: (partition, sequence) =>
          Effect.flatMap(read({ seq: sequence + 1, next_by_subj: partitionFilter(partition) }), (next) =>
            next === undefined
              ? Effect.succeed(sequence)
              : // If `next` was purged after the first read, `lastSequence` may return 0.
                Effect.map(lastSequence(partition), (last) => Math.max(next.sequence, last))
          ).pipe(
            Effect.filterOrFail(
              () => connection.areLeadersCurrent(),
              () => leaderCutOff("read the input log")
            )
          ),
        bounds: Effect.map(info, ({ state }) => ({ first: state.first_seq, last: state.last_seq })),
        capacity: Effect.map(info, capacityOf),
        messageFrom: (sequence) => read({ seq: sequence, next_by_subj: ">" }),
        purgeBelow: (sequence) => purgeAsJanitor(connection, sequence)
      })
    })
  )
}
