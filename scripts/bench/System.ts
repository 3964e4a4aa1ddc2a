import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { SystemStatus } from "../../src/client/Answers.ts"
import { freePort, projectRoot, TestBroker, until } from "../../src/harness/system/TestBroker.ts"
import { testKeyFile } from "../../src/harness/system/TestKeys.ts"
import { setUpStreams, testSettings } from "../../src/harness/system/TestLedger.ts"
import { tokenOfCaller } from "./CallerToken.ts"
import type { Stoppable } from "./Ending.ts"
import type { Served } from "./LoadProcess.ts"
import { NodeProcess, type NodeProcessOptions } from "./NodeProcess.ts"
import type { PublisherMessage } from "./publisher.ts"
import { wrongTotals } from "./Totals.ts"

const mainScript = join(projectRoot, "src/main.ts")
/** The default of the setting PARTITIONS. */
const partitionsDefault = 8
/** Limits that no load of the benchmark reaches. */
const wideLimits = { LIMIT_POINTS: "100000000", LIMIT_READS: "100000", LIMIT_STORES: "100000" }

/** The parts and settings of the system that a case needs. */
export interface SystemNeeds {
  /**
   * Whether the case gives work to the edge. A profile of the edge is written only if the case gives work to the edge.
   */
  readonly usesEdge: boolean
  /** The number of workers that a case needs; 1 by default. */
  readonly workers?: number
  /** The settings of the processes that differ from their defaults. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface SystemOptions extends SystemNeeds {
  /** The number of the run, which is the end of the names of profiles. */
  readonly run: number
  readonly profiles: string | undefined
}

/** The system of one case: a broker, workers and an edge on an empty ledger, each in a process of its own. */
export class System implements Stoppable, Served {
  readonly broker: TestBroker
  readonly edge: NodeProcess
  readonly edgeUrl: string
  readonly partitions = partitionsDefault
  private readonly startedWorkers: Array<NodeProcess>
  private readonly options: SystemOptions
  private readonly processes: Array<NodeProcess>

  private constructor(broker: TestBroker, port: number, options: SystemOptions) {
    this.broker = broker
    this.options = options
    this.edgeUrl = `http://127.0.0.1:${port}`
    this.processes = []
    this.startedWorkers = Array.from({ length: options.workers ?? 1 }, (_, index) =>
      this.startWorker(index === 0 ? "worker" : `worker-${index + 1}`, index)
    )
    this.edge = this.startEdge("edge", { PORT: String(port) })
  }

  static async start(options: SystemOptions): Promise<System> {
    const port = await freePort()
    const broker = await TestBroker.start()
    await setUpStreams(testSettings({ NATS_URL: broker.url, ...options.settings }))
    const system = new System(broker, port, options)
    try {
      await system.ready()
    } catch (cause) {
      await system.stop()
      throw new Error([String(cause), ...system.said()].join("\n"), { cause })
    }
    return system
  }

  /** Waits until the edge is ready, each worker owns partitions, and questions about every partition are answered. */
  ready(): Promise<void> {
    return until("the edge is ready, and the workers answer for every partition", () => this.isReady())
  }

  /** Returns the state of the partitions and the workers, as the edge reports it. */
  async status(): Promise<SystemStatus> {
    return (await (await fetch(`${this.edgeUrl}/status`)).json()) as SystemStatus
  }

  /** Returns whether each worker owns a partition, and each partition has an owner. */
  async isShared(): Promise<boolean> {
    const owners = (await this.status()).partitions.map(({ owner }) => owner)
    return !owners.includes(undefined) && new Set(owners).size === this.workers.length
  }

  get workers(): ReadonlyArray<NodeProcess> {
    return this.startedWorkers
  }

  /** The first worker of the system. */
  get worker(): NodeProcess {
    const [worker] = this.startedWorkers
    if (worker === undefined) throw new Error("this system has no worker")
    return worker
  }

  get servers() {
    return { edge: this.edge, worker: this.worker, broker: this.broker }
  }

  spawn(name: string, script: string): NodeProcess {
    return this.start({ name, script, environment: {}, isProfiled: false })
  }

  /** Starts a process that publishes with the code of the edge, but without HTTP. */
  async startPublisher(): Promise<NodeProcess> {
    const script = fileURLToPath(new URL("publisher.ts", import.meta.url))
    const publisher = this.start({ name: "publisher", script, environment: {}, isProfiled: true })
    await publisher.message<PublisherMessage, "ready">("ready")
    return publisher
  }

  /** Starts a judge, which is stopped with the system. */
  startJudge(): NodeProcess {
    const environment = { WORKER_ID: "judge" }
    return this.start({
      name: "judge",
      script: mainScript,
      arguments: ["--role", "judge"],
      environment,
      // As in start.sh.
      semiSpace: 32,
      isProfiled: true
    })
  }

  /**
   * Starts a second edge, which asks for tokens and counts the requests of each token. The limits are so wide that the
   * edge refuses no request.
   */
  async startEdgeWithTokens(): Promise<Served> {
    const [port, token] = [await freePort(), await tokenOfCaller(this.broker.url, "benchmark")]
    const edge = this.startEdge("edge-with-tokens", { PORT: String(port), AUTH: "tokens", ...wideLimits })
    const edgeUrl = `http://127.0.0.1:${port}`
    const isReady = () =>
      fetch(`${edgeUrl}/readyz`).then(
        ({ ok }) => ok,
        () => false
      )
    await until("the edge with tokens is ready", isReady)
    const servers = { edge, worker: this.worker, broker: this.broker }
    return { edgeUrl, token, servers, spawn: (name, script) => this.spawn(name, script) }
  }

  /**
   * Ends the first worker: kills it with SIGKILL, or lets it end after its work. Starts another worker under the same
   * name, as start.sh does.
   */
  async replaceWorker(how: "kill" | "stop"): Promise<void> {
    await this.worker[how]()
    this.startedWorkers[0] = this.startWorker("worker-again", 0)
  }

  /** Returns the warnings and errors that the processes of the system logged. */
  said(): Array<string> {
    return this.processes.flatMap((process) => process.said())
  }

  async stop(): Promise<void> {
    for (const process of this.processes.toReversed()) await process.stop()
    await this.broker.stop()
  }

  private start(options: Omit<NodeProcessOptions, "profiles"> & { readonly isProfiled: boolean }): NodeProcess {
    const { name, isProfiled, environment, ...rest } = options
    const process = new NodeProcess({
      ...rest,
      name: `${name}-${this.options.run}`,
      environment: {
        NATS_URL: this.broker.url,
        NATS_NKEY_FILE: testKeyFile,
        HOST: "127.0.0.1",
        LOG_LEVEL: "Warn",
        ...this.options.settings,
        ...environment
      },
      profiles: isProfiled ? this.options.profiles : undefined
    })
    this.processes.push(process)
    return process
  }

  private startEdge(name: string, environment: Readonly<Record<string, string>>): NodeProcess {
    const isProfiled = this.options.usesEdge
    return this.start({ name, script: mainScript, arguments: ["--role", "edge"], environment, isProfiled })
  }

  private startWorker(name: string, index: number): NodeProcess {
    return this.start({
      name,
      script: mainScript,
      arguments: ["--role", "worker"],
      environment: { WORKER_ID: `benchmark-${index + 1}` },
      isProfiled: true
    })
  }

  // With this number of users, each partition almost certainly has a user.
  private async isReady(): Promise<boolean> {
    if (this.workers.some((worker) => worker.hasEnded) || this.edge.hasEnded)
      throw new Error("a process ended while it started")
    const strangers = Array.from({ length: 64 }, (_, index) => [`stranger-${index}`, { count: 0, cents: 0n }] as const)
    try {
      const ready = await fetch(`${this.edgeUrl}/readyz`)
      return ready.ok && (await this.isShared()) && (await wrongTotals(this.edgeUrl, new Map(strangers))).length === 0
    } catch {
      return false
    }
  }
}
