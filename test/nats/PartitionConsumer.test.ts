import { Effect, ManagedRuntime, Layer } from "effect"
import { connect } from "nats"
import { expect, it } from "vitest"
import { groupSubject } from "../../src/domain/Subject.ts"
import { PartitionConsumer } from "../../src/nats/PartitionConsumer.ts"
import { brokerLayer } from "../../src/Roles.ts"
import { TestBroker, until } from "../support/TestBroker.ts"
import { testSettings } from "../support/TestLedger.ts"

it("A pull that has all it asked for does not take the broker for silent, and one that waits counts again", async () => {
  const broker = await TestBroker.start()
  const runtime = ManagedRuntime.make(brokerLayer(testSettings({ NATS_URL: broker.url }), "test").pipe(Layer.orDie))
  const consumers = await runtime.runPromise(Effect.service(PartitionConsumer))
  const client = await connect({ servers: broker.url })
  await client.jetstream().publish(groupSubject(0), "a message")
  let delivered = 0
  await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        yield* consumers.create(0, 1, 1, 10)
        const pull = yield* consumers.pull(0, 1, {
          delivered: () => (delivered += 1),
          ended: () => undefined,
          lost: (reason) => expect.unreachable(reason)
        })
        pull.request(1, 100_000)
        yield* Effect.promise(() => until("it is delivered", () => delivered === 1))
        yield* Effect.promise(() => client.flush())
        expect(pull.silence()).toBe(0)
        pull.request(1, 100_000)
        yield* Effect.promise(() => until("its silence counts", () => pull.silence() > 0))
      })
    )
  )
  await client.close()
  await runtime.dispose()
  await broker.stop()
})
