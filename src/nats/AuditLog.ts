import { Context, Duration, Effect, Layer } from "effect"
import { type AuditRecord, encodeAuditRecord } from "../protocol/AuditRecord.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { auditPrefix, auditStream } from "../protocol/Subject.ts"
import { appendMessage } from "./client/ConditionalAppend.ts"
import { Connection } from "./client/Connection.ts"
import { nanosecondsOf } from "./client/Nanoseconds.ts"

/** How long a record is kept, and the most bytes of all records. The oldest records are dropped first. */
const keptFor = Duration.days(400)
const bytesMax = 1024 ** 3

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

/** The audit log. A record is written before its change is made. */
export class AuditLog extends Context.Service<
  AuditLog,
  {
    /** Appends a record, and succeeds when it is on the broker's disk. */
    readonly append: (record: AuditRecord) => Effect.Effect<void, BrokerFailure>
  }
>()("purchases/nats/AuditLog") {
  static readonly layer = Layer.effect(
    AuditLog,
    Effect.gen(function* () {
      const connection = yield* Connection
      return AuditLog.of({
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
