import { Effect, Layer, Option } from "effect"
import { ActorRegistry } from "../actor/ActorRegistry.ts"
import { whenAsked } from "../metrics/Exposition.ts"
import { WorkCounters } from "../metrics/WorkCounters.ts"
import { setGauge } from "../metrics/Measures.ts"
import { ConnectionState } from "../nats/client/ConnectionState.ts"
import { JournalCapacity } from "../nats/JournalCapacity.ts"
import { type PartitionQueue, QueueDepth } from "../nats/QueueDepth.ts"
import { Topology } from "../nats/Topology.ts"
import { PartitionWorker } from "./PartitionWorker.ts"

/** Sets the gauges of a worker at each request for the worker's metrics. */
export const workerMetricsLayer = Layer.effectDiscard(
  Effect.gen(function* () {
    const worker = yield* PartitionWorker
    const registry = yield* ActorRegistry
    const broker = yield* ConnectionState
    const depth = yield* QueueDepth
    const journal = yield* JournalCapacity
    const work = yield* WorkCounters
    const { partitions } = yield* Topology

    const readWorker = Effect.sync(() => {
      setGauge("actors_resident", "Actors in memory.", registry.resident())
      setGauge("partitions_owned", "Partitions whose epochs run in this worker.", worker.owned().length)
      setGauge("accounts_stopped", "Accounts that cannot be read. Their purchases are rejected.", work.stoppedCount())
      setGauge("broker_connected", "1 while the broker can be reached, else 0.", broker.isConnected() ? 1 : 0)
    })

    const readQueue = Effect.gen(function* () {
      const waiting = yield* depth.waiting.pipe(Effect.catch(() => Effect.succeed(new Map<number, PartitionQueue>())))
      const owned = new Set(worker.owned())
      for (let partition = 0; partition < partitions; partition += 1) {
        setGauge(
          "input_waiting_messages",
          "Messages of the input log that the partition's owner has not applied; only its owner tells.",
          owned.has(partition) ? waiting.get(partition)?.depth : undefined,
          { partition: String(partition) }
        )
      }
    })

    const readJournal = Effect.gen(function* () {
      const room = Option.getOrUndefined(yield* Effect.option(journal.current))
      setGauge("journal_bytes", "Size of the journal.", room?.bytes)
      const bound = room !== undefined && Number.isFinite(room.bytesMax) ? room.bytesMax : undefined
      setGauge("journal_bytes_max", "Bound of the journal; only of a journal with a bound.", bound)
    })

    yield* whenAsked(readWorker)
    yield* whenAsked(readJournal)
    yield* whenAsked(readQueue)
  })
)
