import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, it } from "vitest"
import { BrokerUnavailable } from "../../src/protocol/BrokerError.ts"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import { SystemStatus } from "../../src/status/SystemStatus.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { type PartitionQueue, QueueDepth } from "../../src/nats/QueueDepth.ts"
import { Topology } from "../../src/nats/Topology.ts"
import { WorkerBucket, type WorkerSign } from "../../src/nats/WorkerBucket.ts"
import { RuleBook } from "../../src/harness/alerts/RuleBook.ts"
import { startJudge } from "../../src/harness/system/TestLedger.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { purchaseText, refusal, useService } from "../support/TestService.ts"

describe("GET /status", () => {
  const service = useService({ environment: { WORKER_ID: "worker/1" }, withoutWorker: true })

  const status = async () => JSON.parse((await service.get("/status")).body) as Record<string, unknown>
  const nothingApplied = {
    ok: false,
    detail:
      "No worker is alive. Partitions 0–1 of 2 are not applied. Stored purchases are kept, and are applied when a worker takes them.",
    partitions: [0, 1]
  }
  const untilStatus = async (expected: unknown) => {
    let found: unknown
    await until("the status is as expected", async () => {
      found = await status()
      try {
        expect(found).toMatchObject(expected as object)
        return true
      } catch {
        return false
      }
    }).catch(() => expect(found).toMatchObject(expected as object))
  }

  it("before the first worker starts, the status leaves out the facts that only a worker knows", async () => {
    await service.post(purchaseText({ purchaseId: "p1" }))
    const notApplied = "no worker reads it"
    expect(await status()).toEqual({
      at: expect.any(String),
      storing: { ok: true, detail: "Purchases can be stored." },
      applying: nothingApplied,
      partitions: [
        { partition: 0, notApplied },
        { partition: 1, notApplied }
      ],
      workers: [],
      alerts: [{ shard: 0, lagMilliseconds: 0 }],
      edge: { waitingPurchases: 0, feedReaders: 0, timeZoneData: process.versions["tz"] }
    })
  })

  it("the status tells the waiting messages and owner of each partition, and the work of each worker", async () => {
    await service.startWorker()
    await service.post(purchaseText({ purchaseId: "p1", quantity: 9 }), { prefer: "wait=10" })
    await service.get("/duplicate/3/bob")
    const owner = "worker/1"
    await untilStatus({
      applying: { ok: true, detail: "Stored purchases are applied.", partitions: [] },
      partitions: [
        { partition: 0, waitingMessages: 0, owner },
        { partition: 1, waitingMessages: 0, owner }
      ],
      workers: [{ worker: owner, alive: true, partitions: [0, 1], applied: 2, repeats: 2, rejected: 1 }]
    })
    const { workers } = (await status()) as { workers: ReadonlyArray<{ startedAt: string }> }
    // The worker runs in the process of the test.
    expect(workers.map(({ startedAt }) => Date.parse(startedAt))).toEqual([Math.round(performance.timeOrigin)])
  })

  it("the status tells the judge of each shard, how far it has judged, and how long purchases wait for it", async () => {
    const publish = async (subject: string, payload: string | Uint8Array) =>
      (await service.client.jetstream().publish(subject, payload)).seq
    await new RuleBook({ publish }).put("ann", "all", { measure: "value", is: "equal", threshold: 1 })
    const bought = { purchaseId: "judged", quantity: 1 }
    await service.post(purchaseText(bought), { prefer: "wait=10" })
    await untilStatus({ alerts: [{ shard: 0, lagMilliseconds: expect.toSatisfy((lag: number) => lag > 0) }] })
    const { stop } = await startJudge({ ...service.settings, workerId: "judge/1" })
    await untilStatus({
      alerts: [{ shard: 0, judge: "judge/1", judgedThrough: expect.any(Number), lagMilliseconds: 0 }]
    })
    await stop()
  })

  it("the status says that the broker is gone", async () => {
    await service.broker.kill()
    await until("the status is refused", async () => (await service.get("/status")).status === 503)
    const gone = refusal("unavailable", "", "/status", { "retry-after": "1" })
    const { body, ...rest } = await service.get("/status")
    expect({ ...rest, body: "" }).toEqual({ ...gone, body: "" })
    expect((JSON.parse(body) as { detail: string }).detail).toMatch(
      /^Purchases cannot be stored: there is no connection to the broker\. It is not known whether stored purchases are applied: /
    )
  })
})

describe("a read of the status", () => {
  const leaseMilliseconds = 3_000
  const unused = () => Effect.die("is not asked for")
  /** Services that count their calls. */
  const counted = (
    waiting: (typeof QueueDepth)["Service"]["waiting"],
    signs: ReadonlyArray<WorkerSign> = [],
    stoodStill = 0
  ) => {
    const asked = { queues: 0, workers: 0, owners: [] as Array<number>, ages: [] as Array<number> }
    const layer = SystemStatus.layer(leaseMilliseconds).pipe(
      Layer.provide(
        Layer.mergeAll(
          Layer.succeed(
            QueueDepth,
            QueueDepth.of({
              waiting: Effect.andThen(
                Effect.sync(() => (asked.queues += 1)),
                waiting
              ),
              stoodStill: () => Effect.succeed(stoodStill),
              oldestAge: (partition, { depth }) =>
                Effect.sync(() => {
                  asked.ages.push(partition)
                  return 1_000 * depth + partition
                })
            })
          ),
          Layer.succeed(
            WorkerBucket,
            WorkerBucket.of({
              announce: unused,
              leave: unused,
              watch: unused,
              read: Effect.sync(() => {
                asked.workers += 1
                return signs
              })
            })
          ),
          Layer.succeed(
            CommitChain,
            CommitChain.of({
              newest: unused,
              append: unused,
              seal: unused,
              page: unused,
              next: unused,
              at: (sequence) =>
                Effect.sync(() => {
                  asked.owners.push(sequence)
                  const head = { kind: "takeover", epoch: 0, worker: `of-${sequence}`, position: 0 } as const
                  return { sequence, storedAt: 0, text: encodeCommit(head, []) }
                })
            })
          ),
          Layer.succeed(Topology, Topology.of({ partitions: 1, messageBytesMax: 1 }))
        )
      )
    )
    const run = <A, E>(effect: Effect.Effect<A, E, SystemStatus>) =>
      Effect.runPromise(Effect.provide(effect, Layer.merge(layer, TestClock.layer())))
    return { asked, run }
  }
  const current = Effect.flatMap(SystemStatus, (status) => status.current)
  const queue = (members: Partial<PartitionQueue> = {}): ReadonlyMap<number, PartitionQueue> =>
    new Map([[0, { epoch: 7, depth: 3, floor: 0, movedAt: 0, readAt: 0, ...members }]])
  const sign = (silentMilliseconds: number): WorkerSign => ({
    worker: "of-7",
    instance: 1,
    storedAt: 0,
    silentMilliseconds,
    isLeaving: false
  })
  const troubleIn = async (...given: Parameters<typeof counted>) =>
    (await counted(...given).run(current)).partitions.map(({ trouble }) => trouble)

  it("the status reports only the partitions whose worker was not heard within its lease", async () => {
    const waiting = Effect.succeed(queue())
    expect(await troubleIn(waiting, [sign(leaseMilliseconds)])).toEqual([undefined])
    expect(await troubleIn(waiting, [sign(leaseMilliseconds + 1)])).toEqual(["of-7 was not heard for 3 seconds"])
    expect(await troubleIn(waiting, [])).toEqual(["of-7 is gone"])
    expect(await troubleIn(Effect.succeed(new Map()), [sign(0)])).toEqual(["no worker reads it"])
  })

  it("the status names a partition whose worker lives and applies none of the waiting messages", async () => {
    const stuck = Effect.succeed(queue({ readAt: 9_000 }))
    expect(await troubleIn(stuck, [sign(0)], 4_200)).toEqual([
      "of-7 is alive, and has applied nothing of it for 4 seconds"
    ])
    // The waiting message came a moment ago, a message was applied a moment ago, or no message waits.
    expect(await troubleIn(stuck, [sign(0)], 3_500)).toEqual([undefined])
    expect(await troubleIn(Effect.succeed(queue({ readAt: 3_500 })), [sign(0)], 9_000)).toEqual([undefined])
    expect(await troubleIn(Effect.succeed(queue({ readAt: 9_000, depth: 0 })), [sign(0)], 9_000)).toEqual([undefined])
  })

  it("the age of the oldest waiting message is looked up in the 16 partitions in which most messages wait", async () => {
    const of = (depths: ReadonlyArray<number>) =>
      new Map(depths.map((depth, partition) => [partition, { epoch: 7, depth, floor: 0, movedAt: 0, readAt: 0 }]))
    const ageOf = async (depths: ReadonlyArray<number>) => {
      const { asked, run } = counted(Effect.succeed(of(depths)))
      const { oldestAge } = await run(current)
      return { oldestAge, ages: asked.ages }
    }
    expect(await ageOf([])).toEqual({ oldestAge: undefined, ages: [] })
    expect(await ageOf([0, 0])).toEqual({ oldestAge: 0, ages: [] })
    expect(await ageOf([0, 2, 1])).toEqual({ oldestAge: 2_001, ages: [1, 2] })
    const many = Array.from({ length: 20 }, (_, partition) => partition)
    expect(await ageOf(many)).toEqual({ oldestAge: 19_019, ages: many.slice(4).toReversed() })
  })

  it("all callers share two reads of the status a second, and an edge looks an owner up once an epoch", async () => {
    let epoch = 7
    const { asked, run } = counted(Effect.sync(() => queue({ epoch })))
    const owners = await run(
      Effect.gen(function* () {
        const first = yield* Effect.all(
          Array.from({ length: 50 }, () => current),
          { concurrency: "unbounded" }
        )
        yield* TestClock.adjust("499 millis")
        yield* current
        expect(asked).toEqual({ queues: 1, workers: 1, owners: [7], ages: [0] })
        yield* TestClock.adjust("1 millis")
        yield* current
        expect(asked).toEqual({ queues: 2, workers: 2, owners: [7], ages: [0, 0] })
        epoch = 9
        yield* TestClock.adjust("1 second")
        return [first.at(-1), yield* current].map((reading) => reading?.partitions[0]?.owner)
      })
    )
    expect(owners).toEqual(["of-7", "of-9"])
    expect(asked.owners).toEqual([7, 9])
  })

  it("if the broker does not answer, all callers share this failure, and the broker is asked only once", async () => {
    const gone = new BrokerUnavailable({ operation: "list", reason: "gone" })
    const { asked, run } = counted(Effect.fail(gone))
    const failures = await run(Effect.all(Array.from({ length: 5 }, () => Effect.flip(current))))
    expect(failures).toEqual([gone, gone, gone, gone, gone])
    expect(asked.queues).toBe(1)
  })

  it("an edge stops a read of the status that takes too long", async () => {
    const { run } = counted(Effect.never)
    const failure = await run(
      Effect.gen(function* () {
        const asking = yield* Effect.forkChild(Effect.flip(current))
        yield* TestClock.adjust("2500 millis")
        return yield* Fiber.join(asking)
      })
    )
    expect(failure).toBeInstanceOf(BrokerUnavailable)
  })
})
