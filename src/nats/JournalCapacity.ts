import { Context, Duration, Effect, Layer } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { journalStream } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"
import { askJetStream } from "./client/JetStreamApi.ts"

/** The time for which all callers share the result of one read, even if the read failed. */
const readGood = Duration.millis(500)

interface JournalInfo {
  readonly config: { readonly max_bytes: number }
  readonly state: { readonly bytes: number }
}

/** The size of the journal, and its bound. */
export interface JournalRoom {
  readonly bytes: number
  /** The most bytes that the journal may have; infinite if the journal has no bound. */
  readonly bytesMax: number
}

/** Reads the size of the journal. A full journal takes no commit, so stored purchases wait to be applied. */
export class JournalCapacity extends Context.Service<
  JournalCapacity,
  { readonly current: Effect.Effect<JournalRoom, BrokerFailure> }
>()("purchases/nats/JournalCapacity") {
  static readonly layer = Layer.effect(
    JournalCapacity,
    Effect.gen(function* () {
      const connection = yield* Connection
      const read = Effect.map(
        askJetStream<JournalInfo>(connection, `STREAM.INFO.${journalStream}`, {}),
        ({ state, config }) => ({
          bytes: state.bytes,
          bytesMax: config.max_bytes < 0 ? Number.POSITIVE_INFINITY : config.max_bytes
        })
      )
      return JournalCapacity.of({ current: yield* Effect.cachedWithTTL(read, readGood) })
    })
  )
}
