import { Context, Duration, Effect, Layer } from "effect"
import { type AuditRecord, decodeAuditRecord, encodeAuditRecord } from "../protocol/AuditRecord.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { auditPrefix, auditStream } from "../protocol/Subject.ts"
import { appendMessage } from "./client/ConditionalAppend.ts"
import { Connection } from "./client/Connection.ts"
import { readMessage, type StoredMessage } from "./client/JetStreamApi.ts"
import { nanosecondsOf } from "./client/Nanoseconds.ts"
import { newestFirst } from "./client/NewestFirst.ts"

/**
 * The time for which an audit record is kept, and the most bytes of all audit records. The broker drops the oldest
 * records first.
 */
const keptFor = Duration.days(400)
const bytesMax = 1024 ** 3
/**
 * The most audit records that an edge reads for one page. Many of the records that are read may not fit the filter of
 * the page.
 */
const pageReadsMax = 1_000

/**
 * Returns the configuration with which the setup creates the stream of audit records. Nobody can change or remove an
 * audit record, not even through the broker's API.
 */
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

/** An audit record that was read from the stream of audit records. */
export interface StoredAudit extends Omit<AuditRecord, "v" | "at"> {
  readonly sequence: number
  /** The time at which the broker stored the record, in milliseconds since 1970. */
  readonly storedAt: number
}

/** A reader's request for a page of audit records, with a filter. */
export interface AuditQuery {
  /** The most audit records on the page. */
  readonly limit: number
  /**
   * The sequence below which the page begins, newest record first. Without `below`, the page has the newest records.
   */
  readonly below?: number | undefined
  /** The id or the name of the caller who asked for the change. */
  readonly by?: string | undefined
  /** The name of the change, for example `putRule`. */
  readonly what?: string | undefined
  /** The earliest time of a record on the page, in milliseconds since 1970, by the clock of the broker. */
  readonly since?: number | undefined
}

/** A page of audit records, newest first. */
export interface AuditPage {
  readonly records: ReadonlyArray<StoredAudit>
  /** The sequence below which the next page begins; missing on the last page. */
  readonly next?: number
}

/**
 * Decodes a message as an audit record. A text that is not an audit record is returned unchanged. Nobody can thus hide
 * a record behind a malformed text.
 */
const storedAudit = ({ text, subject, sequence, storedAt }: StoredMessage): StoredAudit => {
  const record = decodeAuditRecord(text)
  if (record === undefined) {
    return { sequence, storedAt, by: "", name: "unreadable", what: subject.slice(auditPrefix.length), of: text }
  }
  const { v: _v, at: _at, ...members } = record
  return { sequence, storedAt, ...members }
}

/** Reads and writes the log of audit records. The record of a change is written before the change is made. */
export class AuditLog extends Context.Service<
  AuditLog,
  {
    /** Appends an audit record, and succeeds when the record is on the broker's disk. */
    readonly append: (record: AuditRecord) => Effect.Effect<void, BrokerFailure>
    /**
     * Returns a page of audit records, newest first. If few records fit the filter, a page may be short or empty, and
     * still have a `next`.
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
