import { Effect, Layer, ManagedRuntime } from "effect"
import type { NatsConnection } from "nats"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { groupSubject } from "../../src/protocol/Subject.ts"
import { PartitionConsumer } from "../../src/nats/PartitionConsumer.ts"
import type { Pull } from "../../src/nats/PullSession.ts"
import { brokerLayer } from "../../src/Layers.ts"
import { TestBroker, until } from "../../src/harness/system/TestBroker.ts"
import { connectAs } from "../../src/harness/system/TestKeys.ts"
import { setUpStreams, testSettings } from "../../src/harness/system/TestLedger.ts"

const plenty = 100_000

/** The numbers of events that a pull has reported. */
interface Told {
  delivered: number
  ended: number
  oversized: number
}

describe("a pull of a partition", () => {
  let broker: TestBroker
  let client: NatsConnection
  let consumers: (typeof PartitionConsumer)["Service"]
  let stop: () => Promise<void>
  let partition = -1

  beforeAll(async () => {
    broker = await TestBroker.start()
    await setUpStreams(testSettings({ NATS_URL: broker.url }))
    const runtime = ManagedRuntime.make(
      brokerLayer(testSettings({ NATS_URL: broker.url }), "admin", "test").pipe(Layer.orDie)
    )
    consumers = await runtime.runPromise(Effect.service(PartitionConsumer))
    client = await connectAs("admin", broker.url)
    stop = async () => {
      await client.close()
      await runtime.dispose()
      await broker.stop()
    }
  })

  afterAll(() => stop())

  /** Publishes messages to an unused partition, and runs a test with a pull of this partition. */
  const pulling = async (messages: ReadonlyArray<string>, test: (pull: Pull, told: Told) => Promise<void>) => {
    partition += 1
    for (const message of messages) await client.jetstream().publish(groupSubject(partition), message)
    const told: Told = { delivered: 0, ended: 0, oversized: 0 }
    const pulled = Effect.gen(function* () {
      yield* consumers.create(partition, 1, 1, 10)
      const pull = yield* consumers.pull(partition, 1, {
        delivered: () => (told.delivered += 1),
        ended: () => (told.ended += 1),
        oversized: () => (told.oversized += 1),
        lost: (reason) => expect.unreachable(reason)
      })
      yield* Effect.promise(() => test(pull, told))
    })
    await Effect.runPromise(Effect.scoped(pulled))
  }

  it("a pull measures the silence of the broker only while a pull request is in flight", () =>
    pulling(["a message"], async (pull, told) => {
      pull.request(1, plenty)
      await until("it is delivered", () => told.delivered === 1)
      await client.flush()
      expect(pull.silence()).toBe(0)
      pull.request(1, plenty)
      await until("its silence counts", () => pull.silence() > 0)
    }))

  it("a pull reports a message that is too large for a request, and gets it with a request of more bytes", () =>
    pulling(["small", "x".repeat(50_000), "small"], async (pull, told) => {
      pull.request(10, 10_000)
      await until("the large message is next", () => told.oversized === 1)
      expect({ ...told, outstanding: pull.outstanding().messages }).toEqual({
        delivered: 1,
        ended: 0,
        oversized: 1,
        outstanding: 0
      })
      pull.request(1, plenty)
      await until("the large message came", () => told.delivered === 2)
      pull.request(10, 10_000)
      await until("the rest came", () => told.delivered === 3)
      expect(told.oversized).toBe(1)
    }))
})
