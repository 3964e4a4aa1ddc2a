import { Context, Duration, Effect, Layer } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { journalStream } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"
import { askJetStream } from "./client/JetStreamApi.ts"
import { capacityOf, type SizedStream, type StreamCapacity } from "./StreamCapacity.ts"

/** The time for which all callers share the result of one read, even if the read failed. */
const readGood = Duration.millis(500)

/** Reads the size of the journal. A full journal takes no commit, so stored purchases wait to be applied. */
export class JournalCapacity extends Context.Service<
  JournalCapacity,
  { readonly current: Effect.Effect<StreamCapacity, BrokerFailure> }
>()("purchases/nats/JournalCapacity") {
  static readonly layer = Layer.effect(
    JournalCapacity,
    Effect.gen(function* () {
      const connection = yield* Connection
      const read = askJetStream<SizedStream>(connection, `STREAM.INFO.${journalStream}`, {})
      const capacity = Effect.map(read, capacityOf)
      return JournalCapacity.of({ current: yield* Effect.cachedWithTTL(capacity, readGood) })
    })
  )
}
