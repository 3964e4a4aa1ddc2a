import { Effect, Schema } from "effect"
import { AlertFeed } from "../../alerts/AlertFeed.ts"
import { Feed } from "../../feed/Feed.ts"
import { plainMessageOf } from "../../protocol/BrokerError.ts"
import { readToken } from "../../protocol/Subject.ts"
import type { WorkDone } from "../../nats/WorkerBucket.ts"
import { jsonAnswer, reply } from "../contract/AnswerSpec.ts"
import { ApplyingHealth, applyingNow, StoringHealth, storingNow, unknownApplying } from "./Health.ts"
import { problem } from "../contract/Problem.ts"
import { PurchasePublisher } from "../../intake/PurchasePublisher.ts"
import { Count, Instant, instant } from "../contract/AnswerBodies.ts"
import { route } from "../route/Route.ts"
import { AlertStatus, type ShardStatus } from "../../status/AlertStatus.ts"
import { type PartitionStatus, SystemStatus, type WorkerStatus } from "../../status/SystemStatus.ts"

/** The version of the time zone data, which decides where an hour, a day or a month begins. */
const timeZoneData = process.versions["tz"] ?? "unknown"

export const SystemState = Schema.Struct({
  at: Instant.annotateKey({
    description: "The time of the reading, by the clock of this edge. A reading is at most half a second old."
  }),
  storing: StoringHealth,
  applying: ApplyingHealth,
  partitions: Schema.Array(
    Schema.Struct({
      partition: Count,
      waitingMessages: Schema.optionalKey(Count).annotateKey({
        description:
          "How many messages of the input log are not applied, each of up to 500 purchases. Missing if no worker has read the partition for some minutes."
      }),
      owner: Schema.optionalKey(Schema.String).annotateKey({
        description: "The worker that took the partition last; missing if none ever did."
      }),
      notApplied: Schema.optionalKey(Schema.String).annotateKey({
        description: "Why its purchases are not applied now, for people; missing if they are."
      })
    })
  ),
  oldestWaitingMilliseconds: Schema.optionalKey(Count).annotateKey({
    description:
      "The age of the oldest message of the input log that is not applied, by the broker's clock; 0 if no message waits. It is that of the 16 partitions in which most messages wait. Missing if no worker has read any partition for some minutes."
  }),
  workers: Schema.Array(
    Schema.Struct({
      worker: Schema.String,
      process: Count.annotateKey({ description: "A later process under the same name has a higher one." }),
      heardAt: Instant.annotateKey({
        description:
          "When the broker stored its newest sign of life. A worker gives one each second, unless it is set otherwise."
      }),
      alive: Schema.Boolean.annotateKey({
        description: "Whether it was heard within its lease. If not, other workers take its partitions."
      }),
      silentMilliseconds: Count.annotateKey({
        description: "The age of that sign when it was read, by the broker's clock."
      }),
      partitions: Schema.Array(Count),
      startedAt: Schema.optionalKey(Instant).annotateKey({
        description: "When this process began, by its own clock. Its counts begin there, at 0."
      }),
      applied: Schema.optionalKey(Count).annotateKey({
        description:
          "How many purchases this process has applied since it began. A process that has told no counts yet has none."
      }),
      repeats: Schema.optionalKey(Count).annotateKey({
        description:
          "How many repeats it dropped since it began, because the account knew the id. The broker drops others before."
      }),
      rejected: Schema.optionalKey(Count).annotateKey({
        description: "How many purchases it has rejected since it began."
      }),
      stoppedAccounts: Schema.optionalKey(
        Schema.Array(Schema.Struct({ userId: Schema.String, problem: Schema.String }))
      ).annotateKey({
        description:
          "Accounts whose records cannot be read, at most ten. Their purchases are kept as rejected records. Missing if there are none."
      })
    })
  ).annotateKey({ description: "The workers that were heard in the last minute and have not left." }),
  alerts: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        shard: Count,
        judge: Schema.optionalKey(Schema.String).annotateKey({
          description: "The judge that judged last; missing if none ever did."
        }),
        judgedThrough: Schema.optionalKey(Count).annotateKey({
          description: "The sequence of the ledger up to which all alerts are stored; missing if no judge ever judged."
        }),
        lagMilliseconds: Count.annotateKey({
          description: "The age of the oldest purchase that is applied and not judged; 0 if all are judged."
        })
      })
    )
  ).annotateKey({
    description: "How far purchases are judged by rules, for each shard of users. Missing if the broker does not say."
  }),
  edge: Schema.Struct({
    waitingPurchases: Count.annotateKey({ description: "How many purchases this edge has taken and not stored yet." }),
    feedReaders: Count,
    timeZoneData: Schema.String.annotateKey({
      description: "The version of the IANA time zone database by which this edge cuts hours, days and months."
    })
  })
}).annotate({ identifier: "SystemStatus" })

const partitionState = ({ partition, waiting, owner, trouble }: PartitionStatus) => ({
  partition,
  ...(waiting === undefined ? {} : { waitingMessages: waiting }),
  ...(owner === undefined ? {} : { owner }),
  ...(trouble === undefined ? {} : { notApplied: trouble })
})

const workerState = (
  { worker, instance, storedAt, isAlive, silentMilliseconds, work }: WorkerStatus,
  partitions: ReadonlyArray<PartitionStatus>
) => {
  const { startedAt, stopped, ...counts }: Partial<WorkDone> = work ?? {}
  return {
    worker,
    process: instance,
    heardAt: instant(storedAt),
    alive: isAlive,
    silentMilliseconds,
    partitions: partitions.filter(({ owner }) => owner === worker).map(({ partition }) => partition),
    ...(startedAt === undefined ? {} : { startedAt: instant(startedAt) }),
    ...counts,
    ...(stopped === undefined
      ? {}
      : {
          stoppedAccounts: stopped.map(({ account, problem }) => ({ userId: readToken(account) ?? account, problem }))
        })
  }
}

const shardState = ({ shard, judge, judgedThrough, lagMilliseconds }: ShardStatus) => ({
  shard,
  ...(judge === undefined ? {} : { judge }),
  ...(judgedThrough === undefined ? {} : { judgedThrough }),
  lagMilliseconds
})

const statusRoute = route({
  method: "GET",
  path: "/status",
  name: "readStatus",
  group: "Service",
  summary: "Whether purchases can be stored and are applied, with the partitions and the workers",
  description:
    "An edge asks the broker for partitions and workers at most twice a second, however many callers it has. For each process, a rate is the difference of two counts divided by the difference of their `heardAt`.",
  stores: false,
  scope: "status:read",
  parameters: {},
  answers: { 200: jsonAnswer("The state of the system.", SystemState) },
  problems: ["unavailable"],
  handle: Effect.fnUntraced(function* () {
    const status = yield* SystemStatus
    const publisher = yield* PurchasePublisher
    const feed = yield* Feed
    const alertFeed = yield* AlertFeed
    const storing = yield* storingNow
    const reading = yield* status.current.pipe(
      Effect.mapError((failure) =>
        problem("unavailable", `${storing.detail} ${unknownApplying.detail} (${plainMessageOf(failure)}.)`, {
          "retry-after": "1"
        })
      )
    )
    const shards = yield* Effect.flatMap(AlertStatus, ({ current }) => current)
    const { at, partitions, oldestAge, workers } = reading
    return reply(200, {
      at: instant(at),
      storing,
      applying: yield* applyingNow(reading),
      partitions: partitions.map(partitionState),
      ...(oldestAge === undefined ? {} : { oldestWaitingMilliseconds: oldestAge }),
      workers: workers
        .map((worker) => workerState(worker, partitions))
        .toSorted((one, other) => one.worker.localeCompare(other.worker)),
      ...(shards === undefined ? {} : { alerts: shards.map(shardState) }),
      edge: { waitingPurchases: publisher.waiting(), feedReaders: feed.readers() + alertFeed.readers(), timeZoneData }
    })
  })
})

export const statusRoutes = [statusRoute]
