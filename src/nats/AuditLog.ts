import { Context, Duration, Effect, Layer } from "effect"
import { type AuditRecord, decodeAuditRecord, encodeAuditRecord } from "../protocol/AuditRecord.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { auditPrefix, auditStream } from "../protocol/Subject.ts"
import { appendMessage } from "./client/ConditionalAppend.ts"
import { Connection } from "./client/Connection.ts"
import { readMessage, type StoredMessage } from "./client/JetStreamApi.ts"
import { nanosecondsOf } from "./client/Nanoseconds.ts"
import { newestFirst } from "./client/NewestFirst.ts"

/** How long a record is kept, and the most bytes of all records. The oldest records are dropped first. */
const keptFor = Duration.days(400)
const bytesMax = 1024 ** 3
/** The most records that are read for one page. Many of them may not be of the wanted caller. */
const pageReadsMax = 1_000

/** Returns the configuration of the stream of audit records, for its creation. Nobody can change or remove a record, also not by the broker's API. */
export const auditConfig = (replicas: number) => ({
  name: auditStream,
  description: "Who asked for which change, when, and from where",
  subjects: [`${auditPrefix}*`],
  retention: "limits",
  storage: "file",
  discard: "old",
  max_age: nanosecondsOf(keptFor),
  max_bytes: bytesMax,
  num_replicas: replicas,
  deny_delete: true,
  deny_purge: true
})

/** A record as the stream has it. */
export interface StoredAudit extends Omit<AuditRecord, "v" | "at"> {
  readonly sequence: number
  /** When the broker stored the record, in milliseconds since 1970. */
  readonly storedAt: number
}

/** The records that a reader asks for. */
export interface AuditQuery {
  /** The most records of a page. */
  readonly limit: number
  /** The sequence below which the page begins. Without it the page has the newest records. */
  readonly below?: number | undefined
  /** The id or the name of the caller who asked for the change. */
  readonly by?: string | undefined
  /** The change, like `putRule`. */
  readonly what?: string | undefined
  /** The least time of a record, in milliseconds since 1970, by the clock of the broker. */
  readonly since?: number | undefined
}

/** Some records, newest first. */
export interface AuditPage {
  readonly records: ReadonlyArray<StoredAudit>
  /** The sequence below which the next page begins; missing on the last page. */
  readonly next?: number
}

/**
 * Returns a message as a record. A text that is not a record is shown as it is, so that nobody hides records by writing
 * such a text.
 */
const storedAudit = ({ text, subject, sequence, storedAt }: StoredMessage): StoredAudit => {
  const record = decodeAuditRecord(text)
  if (record === undefined) {
    return { sequence, storedAt, by: "", name: "unreadable", what: subject.slice(auditPrefix.length), of: text }
  }
  const { v: _v, at: _at, ...members } = record
  return { sequence, storedAt, ...members }
}

/** The audit log. A record is written before its change is made. */
export class AuditLog extends Context.Service<
  AuditLog,
  {
    /** Appends a record, and succeeds when it is on the broker's disk. */
    readonly append: (record: AuditRecord) => Effect.Effect<void, BrokerFailure>
    /**
     * Returns records, newest first. A page of a rare caller may be shorter than its limit, or empty, and still have a
     * `next`.
     */
    readonly page: (query: AuditQuery) => Effect.Effect<AuditPage, BrokerFailure>
  }
>()("purchases/nats/AuditLog") {
  static readonly layer = Layer.effect(
    AuditLog,
    Effect.gen(function* () {
      const connection = yield* Connection
      const page = Effect.fnUntraced(function* ({ limit, below, by, what = "*", since = 0 }: AuditQuery) {
        const subject = auditPrefix + what
        const firstFrom = (sequence: number) =>
          readMessage(connection, auditStream, { seq: sequence, next_by_subj: subject })
        const newest = yield* readMessage(connection, auditStream, { last_by_subj: subject })
        const oldest = yield* firstFrom(1)
        if (newest === undefined || oldest === undefined) return { records: [] }
        const records: Array<StoredAudit> = []
        let looked = 0
        let reached = 0
        const end = Math.min(below ?? Number.POSITIVE_INFINITY, newest.sequence + 1)
        yield* newestFirst(firstFrom, oldest.sequence, end, (found) => {
          looked += 1
          reached = found.storedAt < since ? 0 : found.sequence
          if (reached === 0) return "enough"
          const record = storedAudit(found)
          if (by === undefined || by === record.by || by === record.name) records.push(record)
          return records.length >= limit || looked >= pageReadsMax ? "enough" : "more"
        })
        return reached > oldest.sequence ? { records, next: reached } : { records }
      })

      return AuditLog.of({
        page,
        append: (record) =>
          appendMessage(connection, {
            operation: "write down who asks for the change",
            subject: auditPrefix + record.what,
            payload: encodeAuditRecord(record)
          }).pipe(
            Effect.catchTag("CommitConflict", (impossible) => Effect.die(impossible)),
            Effect.asVoid
          )
      })
    })
  )
}
