import { Context, Effect, Exit, Layer } from "effect"
import type { MsgHdrs } from "nats"
import { type BrokerFailure, BrokerUnavailable } from "../domain/BrokerError.ts"
import { inputStream, noticeHeader, partitionFilter } from "../domain/Subject.ts"
import { writtenHeaders } from "./WrittenHeaders.ts"
import { Connection, noMajority } from "./Connection.ts"
import { askJetStream, readMessage, storeMessage } from "./JetStreamApi.ts"

/** How long the broker may take to store a message before it is sent again: less than the shortest election. */
const appendWaitMilliseconds = 2_000
/** While most brokers are gone, and nothing could be stored last, one message is tried this often. */
const minorityTryEveryMilliseconds = 1_000

/** A failure says nothing of a later time, if no message was sent since. In milliseconds. */
const triedLatelyMilliseconds = 15_000

/** The operation of a failure to store purchases. */
const storing = "store purchases"

export interface Stored {
  /** The sequence in the input log; of the first message of this id where this one is a duplicate. */
  readonly sequence: number
  /** Whether the broker has stored this message id before, within its duplicate window. */
  readonly duplicate: boolean
}

/** A message of the input log, without its payload. */
interface StoredAt {
  readonly sequence: number
  /** In milliseconds since 1970. */
  readonly storedAt: number
}

interface InputInfo {
  readonly config: { readonly max_bytes: number }
  readonly state: { readonly first_seq: number; readonly last_seq: number; readonly bytes: number }
  /** Only of a broker in a cluster. One without a leader answers too, with what it last knew. */
  readonly cluster?: { readonly leader?: string }
}

const headersOf = (messageId: string, noticeTo: string | undefined): MsgHdrs =>
  writtenHeaders(`Nats-Msg-Id: ${messageId}\r\n${noticeTo === undefined ? "" : `${noticeHeader}: ${noticeTo}\r\n`}`)

/** The stream of purchases as they came in. Every read asks its leader. */
export class InputLog extends Context.Service<
  InputLog,
  {
    /**
     * Stores one message. Sending it again with the same id is safe for as long as the duplicate window lasts.
     * `noticeTo` is where its sender wants to be told that its purchases are applied.
     */
    readonly append: (
      subject: string,
      messageId: string,
      payload: string,
      noticeTo?: string
    ) => Effect.Effect<Stored, BrokerFailure>
    /**
     * For how many milliseconds every message that was sent has failed; 0 if the newest was stored, or if none was sent in the
     * last {@link triedLatelyMilliseconds}. A broker may answer questions and store nothing.
     */
    readonly failingFor: () => number
    /** The sequence of a partition's newest message, 0 when there is none. */
    readonly lastSequence: (partition: number) => Effect.Effect<number, BrokerFailure>
    /**
     * The sequence of a partition's newest message, or the given one when the log has none after it: none was stored, or
     * it was purged. That there is none is a small answer, whereas the newest message comes with all that is in it.
     */
    readonly newestAfter: (partition: number, sequence: number) => Effect.Effect<number, BrokerFailure>
    /** The first and last sequence of the whole log. */
    readonly bounds: Effect.Effect<{ readonly first: number; readonly last: number }, BrokerFailure>
    /** How much it holds, and how much it may hold, in bytes; without a bound that is infinite. */
    readonly capacity: Effect.Effect<{ readonly bytes: number; readonly bytesMax: number }, BrokerFailure>
    /** The first message at or after a sequence. */
    readonly messageFrom: (sequence: number) => Effect.Effect<StoredAt | undefined, BrokerFailure>
    /** Removes everything below a sequence. */
    readonly purgeBelow: (sequence: number) => Effect.Effect<void, BrokerFailure>
  }
>()("purchases/nats/InputLog") {
  static readonly layer = Layer.effect(
    InputLog,
    Effect.gen(function* () {
      const connection = yield* Connection
      let failingSince: number | undefined
      let triedAt = Number.NEGATIVE_INFINITY

      /** A leader that has lost the others takes a message and never answers, so hardly any is sent to it. */
      const unlessHopeless = <A>(append: Effect.Effect<A, BrokerFailure>): Effect.Effect<A, BrokerFailure> =>
        Effect.suspend(() => {
          const now = performance.now()
          if (failingSince !== undefined && now - triedAt < minorityTryEveryMilliseconds && !connection.hasMajority()) {
            return Effect.fail(noMajority(storing))
          }
          triedAt = now
          return Effect.onExit(append, (exit) =>
            Effect.sync(() => void (failingSince = Exit.isFailure(exit) ? (failingSince ?? now) : undefined))
          )
        })

      const lastSequence = (partition: number) =>
        Effect.map(
          readMessage(connection, inputStream, { last_by_subj: partitionFilter(partition) }),
          (last) => last?.sequence ?? 0
        )

      const info = askJetStream<InputInfo>(connection, `STREAM.INFO.${inputStream}`, {}).pipe(
        Effect.flatMap((answer) =>
          answer.cluster === undefined || answer.cluster.leader !== undefined
            ? Effect.succeed(answer)
            : Effect.fail(
                new BrokerUnavailable({
                  operation: "read the state of the input log",
                  reason: "the input log has no leader"
                })
              )
        )
      )

      return InputLog.of({
        append: (subject, messageId, payload, noticeTo) =>
          storeMessage(connection, {
            operation: storing,
            subject,
            payload,
            headers: headersOf(messageId, noticeTo),
            timeoutMilliseconds: appendWaitMilliseconds
          }).pipe(
            unlessHopeless,
            Effect.map(({ seq, duplicate }) => ({ sequence: seq, duplicate: duplicate === true }))
          ),
        failingFor: () => {
          const now = performance.now()
          return failingSince === undefined || now - triedAt > triedLatelyMilliseconds ? 0 : now - failingSince
        },
        lastSequence,
        newestAfter: (partition, sequence) =>
          Effect.flatMap(
            readMessage(connection, inputStream, { seq: sequence + 1, next_by_subj: partitionFilter(partition) }),
            (next) =>
              next === undefined
                ? Effect.succeed(sequence)
                : // What was found may be purged since.
                  Effect.map(lastSequence(partition), (last) => Math.max(next.sequence, last))
          ),
        bounds: Effect.map(info, ({ state }) => ({ first: state.first_seq, last: state.last_seq })),
        capacity: Effect.map(info, ({ state, config }) => ({
          bytes: state.bytes,
          bytesMax: config.max_bytes < 0 ? Number.POSITIVE_INFINITY : config.max_bytes
        })),
        messageFrom: (sequence) => readMessage(connection, inputStream, { seq: sequence, next_by_subj: ">" }),
        purgeBelow: (sequence) => askJetStream(connection, `STREAM.PURGE.${inputStream}`, { seq: sequence })
      })
    })
  )
}
