import { Clock, ConfigProvider, Context, Effect, Exit, Fiber, Layer, Logger, References, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { PurchaseId, UserId } from "../../src/domain/Identifier.ts"
import type { Purchase } from "../../src/domain/Purchase.ts"
import { encodeToken, partitionOf } from "../../src/domain/Subject.ts"
import { PurchasePublisher } from "../../src/edge/PurchasePublisher.ts"
import { cleanOnce } from "../../src/partition/Janitor.ts"
import { QueryClient } from "../../src/query/QueryClient.ts"
import { edgeLayer, workerLayer } from "../../src/Roles.ts"
import { settings as readSettings, type Settings } from "../../src/Settings.ts"
import { checkHistory, type Read, type Sent } from "./History.ts"
import { MemoryBroker } from "./MemoryBroker.ts"
import { kind, Link, type Unkindness, World } from "./Network.ts"
import { Randomness } from "./Randomness.ts"
import { SeededScheduler } from "./SeededScheduler.ts"
import { type BrokerServices, Exchange, simulatedBrokerLayer } from "./SimulatedBroker.ts"

/** What happens in a run; a smaller one is a shorter history of the same seed. */
export interface Plan {
  readonly seed: number
  readonly purchases: number
  readonly faults: number
  readonly reads: number
}

export const planOf = (seed: number): Plan => ({ seed, purchases: 24, faults: 6, reads: 8 })

/** Swaps parts of the system for broken ones, to see that the run notices. */
export type Plant = (services: Layer.Layer<BrokerServices>) => Layer.Layer<BrokerServices>

export interface Outcome {
  readonly problems: ReadonlyArray<string>
  readonly events: ReadonlyArray<string>
  readonly acknowledged: number
  readonly faults: number
}

const partitions = 2
const users = ["ann", "bob", "cat"] as unknown as ReadonlyArray<UserId>
const activeMilliseconds = 8_000
/** After the last fault everything has to be applied within this time (I7). */
const drainMilliseconds = 60_000

const unkindnessOf = (random: Randomness): Unkindness => {
  const some = () => (random.chance(0.4) ? 0.04 * random.next() : 0)
  return {
    requestLost: some(),
    answerLost: some(),
    requestLate: some(),
    deliveryLost: some(),
    redelivered: random.chance(0.4) ? 0.3 : 0
  }
}

const workerSettings = (name: string): Settings =>
  Effect.runSync(
    readSettings.parse(
      ConfigProvider.fromEnvRecord({ WORKER_ID: name, ACTOR_IDLE: "2 seconds", ACTORS_RESIDENT_MAX: "2" })
    )
  )

interface Process {
  readonly name: string
  readonly link: Link
  readonly scope: Scope.Closeable
}

/** Runs one seed from the first purchase to the checks. The same plan gives the same run. */
export const simulate = (plan: Plan, plant: Plant = (services) => services): Promise<Outcome> => {
  const random = new Randomness(plan.seed)
  const events: Array<string> = []
  const logged = (message: unknown, fiber: Fiber.Fiber<unknown, unknown>) => {
    const clock = fiber.getRef(Clock.Clock)
    const about = Object.entries(fiber.getRef(References.CurrentLogAnnotations)).map(([key, value]) => `${key}=${value}`)
    events.push(`${String(clock.currentTimeMillisUnsafe()).padStart(6)} log ${message} ${about.join(" ")}`)
  }
  const program = Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const clock = yield* Clock.Clock
    const fork = Effect.runForkWith(context)
    const world = new World(random, unkindnessOf(random), () => clock.currentTimeMillisUnsafe(), fork)
    const broker = new MemoryBroker({
      partitions,
      duplicateWindow: random.chance(0.5) ? 120_000 : 500,
      messageBytesMax: 512 * 1024,
      now: world.now
    })
    const exchange = new Exchange(broker, world)
    const note = (text: string) => void events.push(`${String(world.now()).padStart(6)} ${text}`)
    let workersStarted = 0
    const workers: Array<Process> = []

    const startWorker = Effect.fnUntraced(function* (name?: string) {
      workersStarted += 1
      const link = new Link(name ?? `worker-${workersStarted}`, world)
      const scope = yield* Scope.make()
      const worker = { name: link.name, link, scope }
      workers.push(worker)
      note(`start ${worker.name}`)
      const layer = workerLayer(workerSettings(worker.name)).pipe(
        Layer.provide(plant(simulatedBrokerLayer(exchange, link)))
      )
      // A start that fails for the broker's unkindness is tried again, as whoever watches over processes would.
      const build: Effect.Effect<void> = Effect.suspend(() =>
        link.isDead ? Effect.void : Effect.asVoid(Layer.buildWithScope(Layer.fresh(layer), scope))
      ).pipe(
        Effect.catchCause(() => Effect.andThen(Effect.sleep(100), build)),
        Effect.asVoid
      )
      fork(build)
    })

    const crash = (worker: Process) => {
      workers.splice(workers.indexOf(worker), 1)
      note(`kill ${worker.name}`)
      worker.link.die()
      fork(Scope.close(worker.scope, Exit.void))
    }

    const faults: ReadonlyArray<() => void> = [
      () => {
        if (workers.length === 0) return
        const worker = random.choose(workers)
        crash(worker)
        world.after(random.below(2_000), () => fork(startWorker(random.chance(0.5) ? worker.name : undefined)))
      },
      () => {
        if (workers.length < 3) fork(startWorker())
      },
      () => {
        if (workers.length === 0) return
        const { link, name } = random.choose(workers)
        note(`cut off ${name}`)
        link.disconnect()
        world.after(random.below(6_000), () => {
          note(`back ${name}`)
          link.reconnect()
        })
      },
      () => {
        note("the broker forgets its message ids")
        broker.forgetMessageIds()
      },
      () => {
        note("the janitor purges")
        fork(
          cleanOnce({ everyMilliseconds: 1, retentionMilliseconds: 0 }).pipe(
            Effect.provide(plant(simulatedBrokerLayer(exchange, new Link("janitor", world)))),
            Effect.ignore
          )
        )
      },
      () => {
        const partition = random.below(partitions)
        note(`a stray owner write on ${partition}`)
        broker.put(`owner.${partition}`, "stray")
      }
    ]

    const edgeScope = yield* Scope.make()
    const edges: Array<Context.Context<PurchasePublisher | QueryClient>> = []
    for (const name of ["edge-1", "edge-2"]) {
      const services = plant(simulatedBrokerLayer(exchange, new Link(name, world)))
      edges.push(yield* Layer.buildWithScope(Layer.fresh(edgeLayer.pipe(Layer.provide(services))), edgeScope))
    }

    const sent: Array<Sent> = []
    const reads: Array<Read> = []

    const post = (client: number, purchase: Purchase) =>
      Effect.gen(function* () {
        const one: Sent = { client, purchase, sentAt: world.now(), outcome: "info", answeredAt: 0 }
        sent.push(one)
        const publisher = yield* PurchasePublisher
        const [result] = yield* publisher.publish([purchase])
        one.answeredAt = world.now()
        one.outcome = result !== undefined && Exit.isSuccess(result) ? "ok" : "info"
        note(`client ${client}: ${purchase.userId}/${purchase.purchaseId} ${one.outcome}`)
      }).pipe(Effect.provide(random.choose(edges)))

    const read = (client: number, userId: UserId) =>
      Effect.gen(function* () {
        const askedAt = world.now()
        const queries = yield* QueryClient
        const answer = yield* queries.ask({ kind: "total", userId }, { consistency: "strong", waitMilliseconds: 5_000 })
        if (answer.kind !== "total") return
        const { total, count } = answer
        reads.push({ client, userId, askedAt, answeredAt: world.now(), total, count })
        note(`client ${client}: ${userId} has ${count} with ${total}`)
      }).pipe(Effect.provide(random.choose(edges)), Effect.ignore)

    let purchases = 0
    const nextPurchase = (): Purchase => {
      const repeated = sent.length > 0 && random.chance(0.3) ? random.choose(sent).purchase : undefined
      if (repeated !== undefined) return random.chance(0.8) ? repeated : { ...repeated, valueCents: 77n }
      purchases += 1
      return {
        purchaseId: `p${purchases}` as PurchaseId,
        userId: random.choose(users),
        productName: "Laptop",
        productType: "Electronics",
        valueCents: BigInt(100 + purchases),
        quantity: 1
      }
    }

    const clientOf = (client: number, posts: number, asks: number) =>
      Effect.gen(function* () {
        let postsLeft = posts
        let asksLeft = asks
        while (postsLeft + asksLeft > 0) {
          yield* Effect.sleep(1 + random.below((2 * activeMilliseconds) / (posts + asks + 1)))
          if (random.below(postsLeft + asksLeft) < postsLeft) {
            postsLeft -= 1
            yield* post(client, nextPurchase())
          } else {
            asksLeft -= 1
            yield* read(client, random.choose(users))
          }
        }
      })

    yield* startWorker()
    if (random.chance(0.7)) yield* startWorker()
    for (let fault = 0; fault < plan.faults; fault += 1) {
      const inject = random.choose(faults)
      world.after(random.below(activeMilliseconds), inject)
    }
    const clients = 3
    const running = yield* Effect.forEach(
      Array.from({ length: clients }, (_, client) => client),
      (client) =>
        Effect.forkChild(clientOf(client, Math.ceil(plan.purchases / clients), Math.ceil(plan.reads / clients)))
    )
    yield* TestClock.adjust(activeMilliseconds)

    // The faults end: everybody can reach the broker, and somebody is there to work.
    world.unkindness = kind
    for (const { link } of workers) link.reconnect()
    if (workers.length === 0) yield* startWorker()
    const applied = () =>
      Array.from({ length: partitions }, (_, partition) => partition).every((partition) => {
        const position = broker.latest(`position.${partition}`)?.value
        const reached = position === undefined ? 0 : (JSON.parse(position) as { readonly position: number }).position
        return reached >= broker.lastInput(partition)
      })
    const isDone = () => running.every((fiber) => fiber.pollUnsafe() !== undefined) && applied()
    for (let waited = 0; waited < drainMilliseconds && !isDone(); waited += 1_000) yield* TestClock.adjust(1_000)

    const problems = checkHistory(broker, sent, reads)
    if (!isDone()) problems.push(`I7 not drained within ${drainMilliseconds} ms`)
    for (const worker of [...workers]) crash(worker)
    yield* Scope.close(edgeScope, Exit.void)
    yield* Fiber.interruptAll(running)
    return {
      problems,
      events,
      acknowledged: sent.filter(({ outcome }) => outcome === "ok").length,
      faults: plan.faults
    }
  })
  return Effect.runPromise(
    program.pipe(
      Effect.provide(TestClock.layer()),
      Effect.provide(Logger.layer([Logger.make(({ message, fiber }) => logged(message, fiber))])),
      Effect.scoped
    ),
    { scheduler: new SeededScheduler(random) }
  )
}

/** Which partition a user of the runs belongs to, for people who read a history. */
export const partitionOfUser = (userId: string): number => partitionOf(encodeToken(userId), partitions)
