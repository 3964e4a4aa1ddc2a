import { startedBeforeAll } from "../support/StartedBefore.ts"
import { Effect, Exit, Layer, ManagedRuntime } from "effect"
import { describe, expect, it } from "vitest"
import { ActorRegistry } from "../../src/actor/ActorRegistry.ts"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { PositionBeyondLog, runPartitionEpoch } from "../../src/partition/PartitionEpoch.ts"
import { brokerLayer, epochLayer } from "../../src/Layers.ts"
import { TestBroker } from "../../src/harness/system/TestBroker.ts"
import { setUpStreams, testSettings } from "../../src/harness/system/TestLedger.ts"

// A journal with a position beyond the input log was restored without its input log, or from a newer backup than the
// input log.
describe("a position beyond the input log", () => {
  const broker = startedBeforeAll(() => TestBroker.start())

  it("a position beyond the input log keeps the partition from being taken, so that no purchase is skipped", async () => {
    const settings = testSettings({ NATS_URL: broker.url, PARTITIONS: "1" })
    await setUpStreams(settings)
    const runtime = ManagedRuntime.make(
      ActorRegistry.layer({ residentMax: 10, purchaseIdsMax: 1_000, idleMilliseconds: 60_000 }).pipe(
        Layer.provideMerge(epochLayer),
        Layer.provideMerge(brokerLayer(settings, "admin", "test"))
      )
    )
    const taken = Effect.scoped(runPartitionEpoch({ worker: "test", partition: 0, partitions: 1 }))
    expect(Exit.isSuccess(await runtime.runPromiseExit(taken))).toBe(true)

    const written = Effect.gen(function* () {
      const chain = yield* CommitChain
      const { sequence = 0 } = (yield* chain.newest(0)) ?? {}
      const commit = encodeCommit({ kind: "commit", epoch: sequence, worker: "test", position: 12 }, [])
      yield* chain.append(0, commit, sequence)
    })
    await runtime.runPromise(written)
    const exit = await runtime.runPromiseExit(taken)
    expect(exit).toEqual(Exit.fail(new PositionBeyondLog({ partition: 0, position: 12, last: 0 })))
    await runtime.dispose()
  })
})
