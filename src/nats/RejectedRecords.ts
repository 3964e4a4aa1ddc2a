import { Context, Effect, Layer } from "effect"
import { type BrokerFailure, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { decodeRejection, encodeRejection, type Rejection } from "../protocol/Rejection.ts"
import { decodeReplay, encodeReplay, type Replay } from "../protocol/Replay.ts"
import { journalPrefix, journalStream, rejectedFilter, rejectedKey, replayedKey } from "../protocol/Subject.ts"
import { appendMessage, type CommitConflict } from "./client/ConditionalAppend.ts"
import { Connection } from "./client/Connection.ts"
import { readMessage, type StreamMessage } from "./client/JetStreamApi.ts"
import { newestFirst } from "./client/NewestFirst.ts"

/**
 * The number of characters at which a page of rejected records ends early. One rejected record may be half as large as
 * the broker's largest message.
 */
export const recordsLengthMax = 2 * 1024 * 1024
/** The most steps of the replay of one rejected record that an edge reads, oldest first. */
const replayStepsMax = 100

/** The most rejected records of one message, or of one decision of an actor, that a worker writes at once. */
const recordsAtOnceMax = 16

/**
 * The key of a rejected record: the sequence of the message in the input log, and the index of the purchase in the
 * message, from 0.
 */
export interface RejectedKey {
  readonly inputSequence: number
  readonly index: number
}

export interface StoredRejection extends Rejection {
  readonly sequence: number
  /** The time at which the broker stored the rejected record, in milliseconds since 1970. */
  readonly rejectedAt: number
}

export interface StoredReplay extends Replay {
  readonly sequence: number
  /** The time at which the broker stored the step of the replay, in milliseconds since 1970. */
  readonly at: number
}

export interface RejectedPage {
  /** The rejected records on the page, newest first. */
  readonly records: ReadonlyArray<StoredRejection>
  /** The sequence of the journal below which the next page begins; missing on the last page. */
  readonly next?: number
}

const storedRejection = ({ text, sequence, storedAt }: StreamMessage): StoredRejection => ({
  ...decodeRejection(text),
  sequence,
  rejectedAt: storedAt
})

const storedReplay = ({ text, sequence, storedAt }: StreamMessage): StoredReplay => ({
  ...decodeReplay(text),
  sequence,
  at: storedAt
})

/**
 * Reads and writes rejected records, and the steps of their replays. An edge reads rejected records and writes steps
 * without a question to an owner. A rejected record is written once, and belongs to no account. The leader of the
 * journal therefore has everything that is known of a rejected record. A replayed purchase goes through the input log,
 * like every purchase.
 */
export class RejectedRecords extends Context.Service<
  RejectedRecords,
  {
    /**
     * Writes a rejected record with the reason, before the commit that counts the rejection. If the rejected record
     * exists already, it has the same content, because a second decision about the same input equals the first.
     */
    readonly record: (rejection: Rejection) => Effect.Effect<void, BrokerFailure>
    /**
     * Returns the newest rejected records, or the newest rejected records below a sequence of the journal. A page with
     * long records may have fewer than `limit` records.
     */
    readonly page: (limit: number, below?: number) => Effect.Effect<RejectedPage, BrokerFailure>
    /** Returns the rejected record with a key; `undefined` if no rejected record has the key. */
    readonly find: (key: RejectedKey) => Effect.Effect<StoredRejection | undefined, BrokerFailure>
    /** Returns the newest step of a rejected record's replay; `undefined` before the first step. */
    readonly replay: (key: RejectedKey) => Effect.Effect<StoredReplay | undefined, BrokerFailure>
    /** Returns the steps of a rejected record's replay, oldest first. */
    readonly trail: (key: RejectedKey) => Effect.Effect<ReadonlyArray<StoredReplay>, BrokerFailure>
    /**
     * Writes the next step of a rejected record's replay. Fails with `CommitConflict` unless `after` is the sequence of
     * the newest step, or 0 before the first step.
     */
    readonly step: (
      key: RejectedKey,
      replay: Replay,
      after: number
    ) => Effect.Effect<void, BrokerFailure | CommitConflict>
  }
>()("purchases/nats/RejectedRecords") {
  static readonly layer = Layer.effect(
    RejectedRecords,
    Effect.gen(function* () {
      const connection = yield* Connection
      const newest = (key: string) => readMessage(connection, journalStream, { last_by_subj: journalPrefix + key })
      const firstFrom = (key: string) => (sequence: number) =>
        readMessage(connection, journalStream, { seq: sequence, next_by_subj: journalPrefix + key })

      const page = Effect.fnUntraced(function* (limit: number, below?: number) {
        const last = yield* newest(rejectedFilter)
        const oldest = yield* firstFrom(rejectedFilter)(1)
        if (last === undefined || oldest === undefined) return { records: [] }
        const records: Array<StoredRejection> = []
        let length = 0
        const end = Math.min(below ?? Number.POSITIVE_INFINITY, last.sequence + 1)
        yield* newestFirst(firstFrom(rejectedFilter), oldest.sequence, end, (found) => {
          records.push(storedRejection(found))
          length += found.text.length
          return records.length >= limit || length >= recordsLengthMax ? "enough" : "more"
        })
        const reached = records.at(-1)?.sequence ?? 0
        return reached > oldest.sequence ? { records, next: reached } : { records }
      })

      const trail = Effect.fnUntraced(function* ({ inputSequence, index }: RejectedKey) {
        const steps: Array<StoredReplay> = []
        const next = firstFrom(replayedKey(inputSequence, index))
        while (steps.length < replayStepsMax) {
          const found = yield* next((steps.at(-1)?.sequence ?? 0) + 1)
          if (found === undefined) break
          steps.push(storedReplay(found))
        }
        return steps
      })

      const record = (rejection: Rejection) => {
        const operation = "record a rejection"
        const key = rejectedKey(rejection.inputSequence, rejection.index)
        const payload = encodeRejection(rejection)
        return appendMessage(connection, { operation, subject: journalPrefix + key, payload, after: 0 }).pipe(
          Effect.asVoid,
          Effect.catchTag("CommitConflict", ({ reason }) =>
            Effect.flatMap(newest(key), (found) =>
              // Another worker may be writing the same rejected record, and the write of the other worker may fail.
              found === undefined ? Effect.fail(new BrokerUnavailable({ operation, reason })) : Effect.void
            )
          )
        )
      }

      return RejectedRecords.of({
        record,
        page,
        find: ({ inputSequence, index }) =>
          Effect.map(newest(rejectedKey(inputSequence, index)), (found) => found && storedRejection(found)),
        replay: ({ inputSequence, index }) =>
          Effect.map(newest(replayedKey(inputSequence, index)), (found) => found && storedReplay(found)),
        trail,
        step: ({ inputSequence, index }, replay, after) =>
          appendMessage(connection, {
            operation: "write a step of a replay",
            subject: journalPrefix + replayedKey(inputSequence, index),
            payload: encodeReplay(replay),
            after
          }).pipe(Effect.asVoid)
      })
    })
  )
}

/** Writes a rejected record for each rejected purchase of one message, or of one decision of an actor. */
export const recordAll = (
  { record }: Pick<(typeof RejectedRecords)["Service"], "record">,
  rejections: ReadonlyArray<Rejection>
): Effect.Effect<void, BrokerFailure> =>
  Effect.forEach(rejections, record, { concurrency: recordsAtOnceMax, discard: true })
