import { existsSync, readdirSync } from "node:fs"
import { BrokerAdmin } from "../system/BrokerAdmin.ts"
import { type Ask, askAt, read } from "../system/Shopper.ts"
import { freePort, TestBroker, until } from "../system/TestBroker.ts"
import { setUpStreams, testSettings } from "../system/TestLedger.ts"
import { TestProcess } from "../system/TestProcess.ts"
import { userIn } from "../system/TestSystem.ts"
import { Crowd } from "./Crowd.ts"
import {
  type BrokerFigures,
  type Growth,
  growthBetween,
  isTooMuch,
  leastOf,
  mebibytes,
  type Snapshot
} from "./Growth.ts"
import type { Inquiry, LeakState, ProcessFigures } from "./preload/Introspection.ts"

const partitions = 8
/**
 * The time after which the second worker is stopped or killed, in milliseconds. When the second worker is stopped or
 * killed, another process takes its place at once.
 */
const workerStayMilliseconds = 5_000
const loadWaitMilliseconds = 240_000
const reportEveryMilliseconds = 60_000
const quietReadingEveryMilliseconds = 1_000
/**
 * The longest time without load before a snapshot is complete, in milliseconds. Within this time, each process releases
 * all memory that it can release. V8 releases pages of its young generation some seconds after a load. After 10 seconds
 * and two garbage collections, the broker releases the blocks that it read or wrote.
 */
export const quietMillisecondsMax = 45_000

const settleWaitMilliseconds = 60_000
const usersOfEachPartition = Array.from({ length: partitions }, (_, partition) =>
  userIn(partition, partitions, "nobody")
)

/** With these settings, unused actors soon leave memory, and caches soon forget their entries. */
const environment = {
  PARTITIONS: String(partitions),
  ACTOR_IDLE: "1 second",
  ACTORS_RESIDENT_MAX: "200",
  DUPLICATE_WINDOW: "2 seconds",
  INPUT_RETENTION: "2 seconds",
  JANITOR_INTERVAL: "1 second",
  WORKER_HEARTBEAT: "250 millis",
  WORKER_LEASE: "1 second"
}

/** The options of node in start.sh, which decide how much memory a process keeps under load. */
const asStarted = ["--max-semi-space-size=128"]

/** A leak that is planted in a process: the name of a module of `preload/`, which the process imports first. */
export type Leak = "EndlessActors" | "ForgottenSubscriptions" | "KeptBuffers"

/**
 * The size of a load. A load lasts until its time is over, and its numbers of requests and of arrivals are reached. So
 * a slow machine does as much work as a fast one.
 */
export interface Load {
  readonly milliseconds: number
  readonly operationsMin: number
  /** The least number of times that a process of the second worker starts. */
  readonly arrivalsMin: number
}

export interface SoakPlan {
  readonly seed: number
  /** The load before the first snapshot of the figures. */
  readonly warmUp: Load
  /**
   * The least time without load before each snapshot, in milliseconds. Memory that is released only after the first
   * snapshot would hide growth.
   */
  readonly quietMilliseconds: number
  /** The load between the two snapshots. */
  readonly load: Load
  readonly leaks?: { readonly edge?: ReadonlyArray<Leak>; readonly worker?: ReadonlyArray<Leak> }
  readonly report?: (line: string) => void
  /** The signal that ends the soak, and all processes that the soak started. */
  readonly signal?: AbortSignal
}

export interface SoakOutcome {
  readonly growth: ReadonlyArray<Growth>
  /** The number of requests between the two snapshots. */
  readonly operations: number
  /** The number of times that a process of the second worker started and took its share of the partitions. */
  readonly arrivals: number
  /** The number of reversals of the whole run that the service stored. */
  readonly reversals: number
  /** The mistakes in the accounts, as texts for people. */
  readonly mistakes: ReadonlyArray<string>
}

/** The figures of the broker's monitoring page that a soak reads. */
type GeneralPage = Readonly<Record<"mem" | "connections" | "subscriptions", number>>
type JetStreamPage = Readonly<Record<"consumers", number>>

/**
 * Reads a figure of Go's memory, like `HeapAlloc`, from a heap profile. Throws an Error if the profile does not have
 * the figure.
 */
const memoryFigure = (profile: string, name: string): number => {
  const figure = new RegExp(`^# ${name} = (\\d+)$`, "m").exec(profile)?.[1]
  if (figure === undefined) throw new Error(`the broker's profile has no ${name}`)
  return Number(figure)
}

const preloaded = (module: string) => ["--import", `./src/harness/soak/preload/${module}.ts`]

const heapOf = ({ heapBytes, residentBytes }: ProcessFigures | BrokerFigures): string =>
  `${mebibytes(heapBytes)} of ${mebibytes(residentBytes)}`

const heapsOf = ({ edge, worker, broker, users }: Snapshot): string =>
  `under load, heap of resident: edge ${heapOf(edge)}, worker ${heapOf(worker)}, ` +
  `broker ${heapOf(broker)} at ${users} users`

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

/**
 * A broker, an edge, a worker that runs all the time, and a second worker that is stopped and started again and again.
 */
class SoakedSystem {
  readonly crowd: Crowd
  arrivals = 0
  private readonly ask: Ask
  private readonly broker: TestBroker
  private readonly profilePort: number
  private readonly admin: BrokerAdmin
  private readonly edge: TestProcess
  private readonly worker: TestProcess
  private other: TestProcess | undefined
  private isStopped = false
  private isForgetting = false
  /** The newest inquiry, which has to end before the next inquiry is sent. */
  private inquired: Promise<unknown> = Promise.resolve()

  private constructor(broker: TestBroker, profilePort: number, admin: BrokerAdmin, port: number, plan: SoakPlan) {
    this.broker = broker
    this.profilePort = profilePort
    this.admin = admin
    this.ask = askAt(port)
    this.crowd = new Crowd(this.ask, plan.seed)
    const start = (role: "edge" | "worker", leaks: ReadonlyArray<Leak> = []) =>
      new TestProcess(
        role,
        { ...environment, NATS_URL: broker.url, WORKER_ID: role, PORT: String(port) },
        {
          nodeArguments: [...asStarted, "--expose-gc", ...["Introspection", ...leaks].flatMap(preloaded)]
        }
      )
    this.edge = start("edge", plan.leaks?.edge)
    this.worker = start("worker", plan.leaks?.worker)
  }

  static async start(plan: SoakPlan): Promise<SoakedSystem> {
    const port = await freePort()
    const profilePort = await freePort()
    const broker = await TestBroker.start({ arguments: ["--profile", String(profilePort)] })
    const admin = await BrokerAdmin.open(broker.url, partitions)
    await setUpStreams(testSettings({ ...environment, NATS_URL: broker.url }))
    const system = new SoakedSystem(broker, profilePort, admin, port, plan)
    const isReady = () =>
      system.ask("/readyz").then(
        ({ ok }) => ok,
        () => false
      )
    try {
      await until("the edge is ready", isReady)
    } catch (cause) {
      await system.stop()
      throw cause
    }
    return system
  }

  /** Lets the users of the crowd buy, reverse and read, while the second worker is stopped and started again and again. */
  async load(load: Load, report?: (line: string) => void): Promise<void> {
    const { milliseconds, operationsMin, arrivalsMin } = load
    const enough = new AbortController()
    const operations = this.crowd.operations + operationsMin
    const arrivals = this.arrivals + arrivalsMin
    const shopping = Promise.all([this.crowd.shop(enough.signal), this.comeAndGo(enough.signal)])
    const reporting = setInterval(
      () =>
        void this.reading().then(
          (one) => report?.(heapsOf(one)),
          // A failure of the inquiry is ignored, because the next snapshot fails for the same reason.
          () => undefined
        ),
      reportEveryMilliseconds
    )
    const isThere = () => this.crowd.operations >= operations && this.arrivals >= arrivals && this.areLeaksComplete()
    const wanted = `there were ${operationsMin} requests, ${arrivalsMin} arrivals, and all that leaks forget`
    const done = pause(milliseconds).then(() => until(wanted, isThere, loadWaitMilliseconds))
    try {
      await Promise.race([done, shopping])
    } finally {
      clearInterval(reporting)
      enough.abort()
      await shopping
    }
  }

  /** Tells the planted leaks to begin. */
  async forget(): Promise<void> {
    this.isForgetting = true
    for (const process of [this.edge, this.worker]) await this.inquire(process, { kind: "forget" })
  }

  /**
   * Waits until all input is applied, and returns the least value of each figure without load. Reads the figures again
   * and again until `isEnough` returns `true`.
   */
  async snapshot(isEnough: (least: Snapshot, quietMilliseconds: number) => boolean): Promise<Snapshot> {
    await this.admin.untilApplied(settleWaitMilliseconds)
    const begun = performance.now()
    let least = await this.quietReading()
    while (!isEnough(least, performance.now() - begun)) {
      await pause(quietReadingEveryMilliseconds)
      least = leastOf(least, await this.quietReading())
    }
    return least
  }

  async stop(): Promise<void> {
    this.isStopped = true
    await Promise.all([this.edge.kill(), this.worker.kill(), this.other?.kill()])
    await this.admin.close()
    await this.broker.stop()
  }

  private async comeAndGo(enough: AbortSignal): Promise<void> {
    while (!enough.aborted && !this.isStopped) {
      this.other = new TestProcess("worker", { ...environment, NATS_URL: this.broker.url, WORKER_ID: "other" })
      this.arrivals += 1
      await pause(workerStayMilliseconds)
      await this.other.kill(this.arrivals % 2 === 0 ? "SIGKILL" : "SIGTERM")
    }
  }

  /**
   * Waits until each partition has an owner, and reads the figures. A worker that stood still for long may have lost
   * some partitions to another worker.
   */
  private async quietReading(): Promise<Snapshot> {
    // A read of a user is answered only if the user's partition has an owner.
    for (const user of usersOfEachPartition) await read(this.ask, `/users/${user}/total`)
    return this.reading()
  }

  private async reading(): Promise<Snapshot> {
    const [edge, worker, broker] = await Promise.all([
      this.inquire(this.edge, { kind: "figures" }) as Promise<ProcessFigures>,
      this.inquire(this.worker, { kind: "figures" }) as Promise<ProcessFigures>,
      this.brokerFigures()
    ])
    return { edge, worker, broker, users: this.crowd.users }
  }

  /**
   * Returns whether each planted leak has forgotten to release all of its things. Returns `true` before the planted
   * leaks are told to begin.
   */
  private async areLeaksComplete(): Promise<boolean> {
    if (!this.isForgetting) return true
    for (const process of [this.edge, this.worker]) {
      const { isAllForgotten } = (await this.inquire(process, { kind: "isAllForgotten" })) as LeakState
      if (!isAllForgotten) return false
    }
    return true
  }

  /**
   * Sends an inquiry to a process, and returns the reply. Inquiries are sent one after another, because a reply does
   * not name its inquiry.
   */
  private inquire(process: TestProcess, inquiry: Inquiry): Promise<unknown> {
    const answered = this.inquired.then(() => process.request(inquiry))
    this.inquired = answered.catch(() => undefined)
    return answered
  }

  private async brokerFigures(): Promise<BrokerFigures> {
    const page = async <A>(name: string) =>
      (await fetch(`http://127.0.0.1:${this.broker.monitorPort}/${name}`)).json() as A
    // With `gc=1`, the broker collects garbage before it reports its figures, as workers and edges do.
    const profile = await fetch(`http://127.0.0.1:${this.profilePort}/debug/pprof/heap?debug=1&gc=1`)
    const memory = await profile.text()
    const keptFree = memoryFigure(memory, "HeapIdle") - memoryFigure(memory, "HeapReleased")
    const [general, jetStream] = await Promise.all([page<GeneralPage>("varz"), page<JetStreamPage>("jsz")])
    const descriptors = `/proc/${this.broker.pid}/fd`
    return {
      residentBytes: general.mem - keptFree,
      heapBytes: memoryFigure(memory, "HeapAlloc"),
      descriptors: existsSync(descriptors) ? readdirSync(descriptors).length : undefined,
      connections: general.connections,
      subscriptions: general.subscriptions,
      consumers: jetStream.consumers
    }
  }
}

const measure = async (system: SoakedSystem, plan: SoakPlan): Promise<SoakOutcome> => {
  await system.load(plan.warmUp)
  const before = await system.snapshot((_, quiet) => quiet >= plan.quietMilliseconds)
  const [operations, arrivals] = [system.crowd.operations, system.arrivals]
  await system.forget()
  await system.load(plan.load, plan.report)
  const after = await system.snapshot(
    (least, quiet) =>
      quiet >= quietMillisecondsMax ||
      (quiet >= plan.quietMilliseconds && !growthBetween(before, least).some(isTooMuch))
  )
  return {
    growth: growthBetween(before, after),
    operations: system.crowd.operations - operations,
    arrivals: system.arrivals - arrivals,
    reversals: system.crowd.reversed,
    mistakes: await system.crowd.mistakes()
  }
}

/**
 * Puts a system with many users under load. Returns how much the memory and the handles of the processes grew during
 * the load.
 */
export const soak = async (plan: SoakPlan): Promise<SoakOutcome> => {
  const system = await SoakedSystem.start(plan)
  const interrupted = new Promise<never>((_, reject) => {
    plan.signal?.addEventListener("abort", () => reject(new Error("the soak was interrupted")))
  })
  try {
    plan.signal?.throwIfAborted()
    return await Promise.race([measure(system, plan), interrupted])
  } finally {
    await system.stop()
  }
}
