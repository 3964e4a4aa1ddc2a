import { Context, Effect, Layer } from "effect"
import { type BrokerFailure, BrokerUnavailable } from "../domain/BrokerError.ts"
import { decodeRejection, encodeRejection, type Rejection } from "../domain/Rejection.ts"
import { decodeReplay, encodeReplay, type Replay } from "../domain/Replay.ts"
import { journalPrefix, journalStream, rejectedFilter, rejectedKey, replayedKey } from "../domain/Subject.ts"
import { appendMessage, type CommitConflict } from "./ConditionalAppend.ts"
import { Connection } from "./Connection.ts"
import { readMessage, type StreamMessage } from "./JetStreamApi.ts"
import { newestFirst } from "./NewestFirst.ts"

/** A page ends early when its records have so many characters: one alone may have half of the broker's largest message. */
export const recordsLengthMax = 2 * 1024 * 1024
/** The most steps of one record's trail that are read, the oldest of them; three are usual. */
const replayStepsMax = 100

/** How many records of one message, or of one decision, are written at once. */
const recordsAtOnceMax = 16

/** Which record: the message of the input log, and the place in it, from 0. */
export interface RejectedKey {
  readonly inputSequence: number
  readonly index: number
}

export interface StoredRejection extends Rejection {
  readonly sequence: number
  /** When the broker stored the record, in milliseconds since 1970. */
  readonly rejectedAt: number
}

export interface StoredReplay extends Replay {
  readonly sequence: number
  /** When the broker stored this step, in milliseconds since 1970. */
  readonly at: number
}

export interface RejectedPage {
  /** Newest first. */
  readonly records: ReadonlyArray<StoredRejection>
  /** Where the page after it begins: before this sequence of the journal. */
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
 * What was rejected, and what was done about it. The edge reads and writes these keys itself: a record is written once
 * and belongs to no account (what is unreadable may not even have a user), so no owner knows more about it than the
 * broker's leader; and a replay becomes a purchase only by way of the input log, as every purchase does.
 */
export class RejectedRecords extends Context.Service<
  RejectedRecords,
  {
    /**
     * Writes why something is not applied, before the commit that counts it. A record that is there already is the same: a
     * second decision of one input does not differ from the first.
     */
    readonly record: (rejection: Rejection) => Effect.Effect<void, BrokerFailure>
    /** The newest records below a sequence of the journal, or of all; fewer if some are long. */
    readonly page: (limit: number, below?: number) => Effect.Effect<RejectedPage, BrokerFailure>
    readonly find: (place: RejectedKey) => Effect.Effect<StoredRejection | undefined, BrokerFailure>
    /** The newest step of a record's replay; nothing before the first. */
    readonly replay: (place: RejectedKey) => Effect.Effect<StoredReplay | undefined, BrokerFailure>
    /** All steps of a record's replay, oldest first. */
    readonly trail: (place: RejectedKey) => Effect.Effect<ReadonlyArray<StoredReplay>, BrokerFailure>
    /** Writes the next step, where `after` is the sequence of the newest, or 0; else it fails with a conflict. */
    readonly step: (
      place: RejectedKey,
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
              // The other write of it may still be under way, and may fail.
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

/** Records all that one message or one decision rejects. */
export const recordAll = (
  { record }: Pick<(typeof RejectedRecords)["Service"], "record">,
  rejections: ReadonlyArray<Rejection>
): Effect.Effect<void, BrokerFailure> =>
  Effect.forEach(rejections, record, { concurrency: recordsAtOnceMax, discard: true })
