import { Effect, Exit, Layer, ManagedRuntime } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ActorRegistry } from "../../src/actor/ActorRegistry.ts"
import { AccountReader } from "../../src/ledger/AccountReader.ts"
import { History } from "../../src/ledger/History.ts"
import { Journal } from "../../src/ledger/Journal.ts"
import { encodePosition } from "../../src/ledger/Position.ts"
import { TotalsBefore } from "../../src/ledger/TotalsBefore.ts"
import { LedgerBucket } from "../../src/nats/LedgerBucket.ts"
import { InputBudget } from "../../src/partition/InputBudget.ts"
import { PositionBeyondLog, runPartitionEpoch } from "../../src/partition/PartitionEpoch.ts"
import { NoticeSender } from "../../src/query/NoticeSender.ts"
import { brokerLayer } from "../../src/Roles.ts"
import { TestBroker } from "../support/TestBroker.ts"
import { testSettings } from "../support/TestLedger.ts"

// A ledger that was restored without its input log, or from a newer backup than the log.
describe("a position beyond the input log", () => {
  let broker: TestBroker

  beforeAll(async () => {
    broker = await TestBroker.start()
  })

  afterAll(() => broker.stop())

  it("keeps the partition from being taken, because new purchases below it would be skipped", async () => {
    const settings = testSettings({ NATS_URL: broker.url, PARTITIONS: "1" })
    const runtime = ManagedRuntime.make(
      ActorRegistry.layer({ residentMax: 10, membersMax: 1_000, idleMilliseconds: 60_000 }).pipe(
        Layer.provideMerge(Layer.mergeAll(History.layer, InputBudget.layer, NoticeSender.layer, TotalsBefore.layer)),
        Layer.provideMerge(Layer.mergeAll(AccountReader.layer, Journal.layer)),
        Layer.provideMerge(brokerLayer(settings, "test"))
      )
    )
    const taken = Effect.scoped(runPartitionEpoch({ worker: "test", partition: 0, partitions: 1 }))
    expect(Exit.isSuccess(await runtime.runPromiseExit(taken))).toBe(true)

    const written = Effect.flatMap(LedgerBucket, (bucket) => bucket.put("position.0", encodePosition(12)))
    await runtime.runPromise(written)
    const exit = await runtime.runPromiseExit(taken)
    expect(exit).toEqual(Exit.fail(new PositionBeyondLog({ partition: 0, position: 12, last: 0 })))
    await runtime.dispose()
  })
})
