import { Context, Effect, Layer, type Scope } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { inputStream, journalPrefix } from "../protocol/Subject.ts"
import { auditConsumer } from "./BrokerPermissions.ts"
import { Connection } from "./client/Connection.ts"
import { askJetStream, readMessage } from "./client/JetStreamApi.ts"
import { type JournalPull, openJournalPull, openStreamPull } from "./JournalPull.ts"

/** Reads the journal and the input log for audits, and writes nothing. */
export class AuditReader extends Context.Service<
  AuditReader,
  {
    /** Reads all messages of the journal after a sequence, in order and without a gap, until the scope closes. */
    readonly journal: (after: number) => Effect.Effect<JournalPull, BrokerFailure, Scope.Scope>
    /**
     * Reads all messages of the input log after a sequence, in order, until the scope closes. Ends the reading of
     * another audit, because all audits have one consumer of the input log.
     */
    readonly input: (after: number) => Effect.Effect<JournalPull, BrokerFailure, Scope.Scope>
    /** Returns the payload of the message of the input log at a sequence; `undefined` if the message is purged. */
    readonly inputAt: (sequence: number) => Effect.Effect<Uint8Array | undefined, BrokerFailure>
  }
>()("purchases/nats/AuditReader") {
  static readonly layer = Layer.effect(
    AuditReader,
    Effect.map(Connection, (connection) =>
      AuditReader.of({
        journal: (after) => openJournalPull(connection, `${journalPrefix}>`, { after }, "audit"),
        input: (after) =>
          askJetStream(connection, `CONSUMER.DELETE.${inputStream}.${auditConsumer}`, {}).pipe(
            // The consumer is missing unless an audit reads, or has read a few seconds ago.
            Effect.catchTag("BrokerRefused", () => Effect.void),
            Effect.andThen(
              openStreamPull(
                connection,
                { stream: inputStream, filter: "purchases.*.*", name: auditConsumer },
                { after }
              )
            )
          ),
        inputAt: (sequence) =>
          Effect.map(
            readMessage(connection, inputStream, { seq: sequence }),
            (found) => found && Buffer.from(found.text)
          )
      })
    )
  )
}
