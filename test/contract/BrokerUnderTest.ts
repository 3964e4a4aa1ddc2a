import { Effect, Exit, Layer, ManagedRuntime, type Scope } from "effect"
import type { Delivery } from "../../src/nats/Delivery.ts"
import { brokerLayer } from "../../src/Layers.ts"
import { MemoryBroker } from "../../src/harness/simulation/MemoryBroker.ts"
import { Link } from "../../src/harness/simulation/Network.ts"
import { type BrokerServices, Exchange, simulatedBrokerLayer } from "../../src/harness/simulation/SimulatedBroker.ts"
import { kind, World } from "../../src/harness/simulation/World.ts"
import { TestBroker } from "../../src/harness/system/TestBroker.ts"
import { connectAs } from "../../src/harness/system/TestKeys.ts"
import { setUpStreams, testSettings } from "../../src/harness/system/TestLedger.ts"

export interface BrokerOptions {
  readonly partitions: number
  readonly duplicateWindowMilliseconds: number
  readonly inputBytesMax: number
}

/** A real or simulated broker, with the services of a process that uses the broker. */
export interface BrokerUnderTest {
  readonly run: <A, E>(effect: Effect.Effect<A, E, BrokerServices | Scope.Scope>) => Promise<Exit.Exit<A, E>>
  /** Tells the broker that a message was not processed, so that the broker delivers the message again at once. */
  readonly refuse: (delivery: Delivery) => Effect.Effect<void>
  readonly restart: () => Promise<void>
  readonly stop: () => Promise<void>
}

export const openRealBroker = async (options: BrokerOptions): Promise<BrokerUnderTest> => {
  const broker = await TestBroker.start()
  const settings = testSettings({
    NATS_URL: broker.url,
    PARTITIONS: String(options.partitions),
    DUPLICATE_WINDOW: `${options.duplicateWindowMilliseconds} millis`,
    INPUT_BYTES_MAX: String(options.inputBytesMax)
  })
  await setUpStreams(settings)
  const runtime = ManagedRuntime.make(brokerLayer(settings, "admin", "contract").pipe(Layer.orDie))
  const admin = await connectAs("admin", broker.url, { maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  return {
    run: (effect) => runtime.runPromiseExit(Effect.scoped(effect)),
    refuse: ({ acknowledgeSubject }) =>
      Effect.promise(() => {
        admin.publish(acknowledgeSubject, "-NAK")
        return admin.flush()
      }),
    restart: async () => {
      await broker.kill()
      await broker.run()
    },
    stop: async () => {
      await admin.close()
      await runtime.dispose()
      await broker.stop()
    }
  }
}

const givenUpAfterMilliseconds = 120_000

export const openMemoryBroker = async (options: BrokerOptions): Promise<BrokerUnderTest> => {
  const world = new World(1, kind)
  const broker = new MemoryBroker({
    partitions: options.partitions,
    duplicateWindow: options.duplicateWindowMilliseconds,
    messageBytesMax: 512 * 1024,
    inputBytesMax: options.inputBytesMax,
    now: world.now
  })
  const exchange = new Exchange(broker, world)
  const link = new Link("contract", world)
  const services = simulatedBrokerLayer(exchange, link)
  return {
    run: async (effect) => {
      const fiber = world.fork(effect.pipe(Effect.scoped, Effect.provide(services)))
      world.run(world.now() + givenUpAfterMilliseconds, () => fiber.pollUnsafe() !== undefined)
      return fiber.pollUnsafe() ?? Exit.die(new Error("it did not end"))
    },
    refuse: ({ acknowledgeSubject }) =>
      Effect.sync(() => {
        const [partition, epoch, sequence] = acknowledgeSubject.split(".").map(Number)
        if (partition === undefined || epoch === undefined) throw new Error(`no delivery: ${acknowledgeSubject}`)
        broker.redeliver(partition, epoch, sequence)
        exchange.serve()
      }),
    restart: async () => {
      link.disconnect()
      broker.restart()
      link.reconnect()
    },
    stop: async () => undefined
  }
}
