import { Context, Effect, Layer } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { encodeRemovedAlerts } from "../protocol/RemovedAlerts.ts"
import { alertFilter, alertPositionSubject, alertsRemovedSubject, alertsStream } from "../protocol/Subject.ts"
import { AlertStream } from "./AlertStream.ts"
import { appendMessage } from "./client/ConditionalAppend.ts"
import { Connection } from "./client/Connection.ts"
import { askJetStream, readMessage } from "./client/JetStreamApi.ts"
import { newestFirst } from "./client/NewestFirst.ts"
import { firstStoredSince } from "./FirstStoredSince.ts"

interface StreamInfo {
  readonly state: { readonly last_seq: number }
}

/** Removes old alerts and old positions of shards from the stream of alerts. */
export class AlertRetention extends Context.Service<
  AlertRetention,
  {
    /**
     * Removes all alerts that were stored before a time, in milliseconds since 1970. Stores the sequence of the newest
     * of these alerts before the removal, so that no reader of a feed misses them without being told.
     */
    readonly removeAlertsBefore: (since: number) => Effect.Effect<void, BrokerFailure>
    /** Removes all positions of each shard but the newest. */
    readonly removeOldPositions: Effect.Effect<void, BrokerFailure>
  }
>()("purchases/nats/AlertRetention") {
  static readonly layer = Layer.effect(
    AlertRetention,
    Effect.gen(function* () {
      const connection = yield* Connection
      const { shards } = yield* AlertStream
      const purge = (query: object) => askJetStream<object>(connection, `STREAM.PURGE.${alertsStream}`, query)
      const alertFrom = (sequence: number) =>
        readMessage(connection, alertsStream, { seq: sequence, next_by_subj: alertFilter })

      const storeRemoved = (through: number) =>
        appendMessage(connection, {
          operation: "store which alerts are removed",
          subject: alertsRemovedSubject,
          payload: encodeRemovedAlerts(through),
          replaces: true
        }).pipe(Effect.catchTag("CommitConflict", (lost) => Effect.die(lost)))

      const removeAlertsBefore = Effect.fnUntraced(function* (since: number) {
        const oldest = yield* alertFrom(1)
        if (oldest === undefined || oldest.storedAt >= since) return
        const { state } = yield* askJetStream<StreamInfo>(connection, `STREAM.INFO.${alertsStream}`, {})
        const seq = yield* firstStoredSince(alertFrom, oldest.sequence, state.last_seq + 1, since)
        let newest = oldest.sequence
        yield* newestFirst(alertFrom, oldest.sequence, seq, ({ sequence }) => {
          newest = sequence
          return "enough"
        })
        yield* storeRemoved(newest)
        yield* purge({ filter: alertFilter, seq })
      })

      const removeOldPositions = Effect.gen(function* () {
        // A purge with `keep` counts the messages of all subjects that match its filter. The positions of each shard
        // therefore need a purge of their own.
        for (let shard = 0; shard < shards; shard += 1) yield* purge({ filter: alertPositionSubject(shard), keep: 1 })
      })
      return AlertRetention.of({ removeAlertsBefore, removeOldPositions })
    })
  )
}
