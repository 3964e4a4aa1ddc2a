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
    description:
      "The time at which the edge read the status, by the clock of the edge. The status is at most half a second old."
  }),
  storing: StoringHealth,
  applying: ApplyingHealth,
  partitions: Schema.Array(
    Schema.Struct({
      partition: Count,
      waitingMessages: Schema.optionalKey(Count).annotateKey({
        description:
          "The number of messages of the input log that are not applied. A message has up to 500 purchases. The number is missing if no worker has read the partition for minutes."
      }),
      owner: Schema.optionalKey(Schema.String).annotateKey({
        description:
          "The worker that was the last to take the partition over; missing if no worker has taken the partition over."
      }),
      notApplied: Schema.optionalKey(Schema.String).annotateKey({
        description:
          "The reason why the partition's purchases are not applied now, for people; missing if the purchases are applied."
      })
    })
  ),
  oldestWaitingMilliseconds: Schema.optionalKey(Count).annotateKey({
    description:
      "The age in milliseconds of the oldest message of the input log that is not applied; 0 if no message waits. The broker's clock measures the age. The edge looks for the oldest message only in the 16 partitions in which most messages wait. The age is missing if no worker has read any partition for minutes."
  }),
  workers: Schema.Array(
    Schema.Struct({
      worker: Schema.String,
      process: Count.annotateKey({
        description: "The number of the process. Each later process of the worker has a higher number."
      }),
      heardAt: Instant.annotateKey({
        description:
          "The time at which the broker stored the worker's newest sign of life. By default a worker writes a sign of life each second."
      }),
      alive: Schema.Boolean.annotateKey({
        description:
          "Whether the worker's newest sign of life is within the lease. Other workers take over the partitions of a worker whose lease has ended."
      }),
      silentMilliseconds: Count.annotateKey({
        description:
          "The age that the worker's newest sign of life had when the edge read this sign of life, by the broker's clock."
      }),
      partitions: Schema.Array(Count),
      startedAt: Schema.optionalKey(Instant).annotateKey({
        description:
          "The start of the worker's process, by the clock of the process. The counts of the process begin with 0 at its start."
      }),
      applied: Schema.optionalKey(Count).annotateKey({
        description:
          "The number of purchases that the process has applied since its start. The counts are missing until the worker has sent the counts in a sign of life."
      }),
      repeats: Schema.optionalKey(Count).annotateKey({
        description:
          "The number of repeats that the process has recognised by purchaseId sets since its start. Repeats that the broker drops within its duplicate window are not counted."
      }),
      rejected: Schema.optionalKey(Count).annotateKey({
        description: "The number of purchases that the process has rejected since its start."
      }),
      stoppedAccounts: Schema.optionalKey(
        Schema.Array(Schema.Struct({ userId: Schema.String, problem: Schema.String }))
      ).annotateKey({
        description:
          "Accounts whose records cannot be read, at most ten; missing if all accounts can be read. The purchases of these accounts are kept as rejected records."
      })
    })
  ).annotateKey({
    description: "The workers that sent a sign of life in the last minute and have not announced their end."
  }),
  alerts: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        shard: Count,
        judge: Schema.optionalKey(Schema.String).annotateKey({
          description: "The judge that was the last to judge the shard; missing if no judge has judged the shard."
        }),
        judgedThrough: Schema.optionalKey(Count).annotateKey({
          description:
            "The journal sequence up to which all alerts of the shard are stored; missing if no judge has judged the shard."
        }),
        lagMilliseconds: Count.annotateKey({
          description:
            "The age in milliseconds of the oldest purchase that is applied and not judged; 0 if all applied purchases are judged."
        })
      })
    )
  ).annotateKey({
    description: "The progress of the judges in each shard of users; missing if the broker does not answer."
  }),
  edge: Schema.Struct({
    waitingPurchases: Count.annotateKey({
      description: "The number of purchases that the edge has accepted and not stored yet."
    }),
    feedReaders: Count,
    timeZoneData: Schema.String.annotateKey({
      description:
        "The version of the IANA time zone database, from which the edge computes where hours, days and months begin."
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
  summary: "Whether purchases can be stored and stored purchases are applied, with the partitions and the workers",
  description:
    "For all callers together, an edge reads the state of partitions and workers at most twice a second. The rate of a process is the difference of two counts, divided by the difference of their `heardAt`.",
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
