import { Effect, Schema } from "effect"
import { Feed } from "../../feed/Feed.ts"
import { jsonAnswer, reply } from "../Answer.ts"
import { problem } from "../Problem.ts"
import { PurchasePublisher } from "../PurchasePublisher.ts"
import { Count, Instant, instant } from "../Representation.ts"
import { route } from "../Route.ts"
import { SystemStatus } from "../SystemStatus.ts"

export const SystemState = Schema.Struct({
  at: Instant.annotateKey({ description: "When it was read, by the clock of this edge; it is at most a second old." }),
  partitions: Schema.Array(
    Schema.Struct({
      partition: Count,
      waitingMessages: Schema.optionalKey(Count).annotateKey({
        description:
          "Messages of the input log that are not applied; each holds up to 500 purchases. Not known where no worker has read the partition for some minutes."
      }),
      owner: Schema.optionalKey(Schema.String).annotateKey({
        description: "The worker that took it last; none where nobody has."
      })
    })
  ),
  workers: Schema.Array(
    Schema.Struct({
      worker: Schema.String,
      process: Count.annotateKey({ description: "A later process under the same name has a higher one." }),
      heardAt: Instant.annotateKey({
        description: "When the broker stored its newest sign of life; it gives one each second unless told otherwise."
      }),
      partitions: Schema.Array(Count),
      applied: Schema.optionalKey(Count).annotateKey({
        description: "Purchases that this process had applied by then; no counts where it has told none yet."
      }),
      repeats: Schema.optionalKey(Count).annotateKey({
        description: "Repeats that it dropped, since the account knew the id. The broker drops others before it."
      }),
      rejected: Schema.optionalKey(Count)
    })
  ).annotateKey({ description: "Those that were heard in the last minute and have not said goodbye." }),
  edge: Schema.Struct({
    waitingPurchases: Count.annotateKey({ description: "Purchases that this edge has taken and not stored yet." }),
    feedReaders: Count
  })
}).annotate({ identifier: "SystemStatus" })

const statusRoute = route({
  method: "GET",
  path: "/status",
  name: "readStatus",
  group: "Service",
  summary: "What waits in each partition, who owns it, and what each worker has done",
  description:
    "However many ask, an edge asks the broker once a second. Rates are the differences of two answers' counts by those of `heardAt`, for each process.",
  parameters: {},
  answers: { 200: jsonAnswer("As of now.", SystemState) },
  problems: ["unavailable"],
  handle: Effect.fnUntraced(function* () {
    const status = yield* SystemStatus
    const publisher = yield* PurchasePublisher
    const feed = yield* Feed
    const { at, partitions, workers } = yield* status.current.pipe(
      Effect.mapError((failure) =>
        problem("unavailable", `The status cannot be read: ${failure.message}.`, { "retry-after": "1" })
      )
    )
    return reply(200, {
      at: instant(at),
      partitions: partitions.map(({ partition, waiting, owner }) => ({
        partition,
        ...(waiting === undefined ? {} : { waitingMessages: waiting }),
        ...(owner === undefined ? {} : { owner })
      })),
      workers: workers
        .map(({ worker, instance, storedAt, work = {} }) => ({
          worker,
          process: instance,
          heardAt: instant(storedAt),
          partitions: partitions.filter(({ owner }) => owner === worker).map(({ partition }) => partition),
          ...work
        }))
        .toSorted((one, other) => one.worker.localeCompare(other.worker)),
      edge: { waitingPurchases: publisher.waiting(), feedReaders: feed.readers() }
    })
  })
})

export const statusRoutes = [statusRoute]
