import { BrokerAdmin } from "./BrokerAdmin.ts"
import { Pressure } from "./Pressure.ts"
import { type Ask, askAt, exactJson, readAccount } from "./Shopper.ts"
import { freePort, until } from "./TestBroker.ts"
import { TestCluster } from "./TestCluster.ts"
import { setUpStreams, testSettings } from "./TestLedger.ts"
import { TestProcess } from "./TestProcess.ts"
import { userIn } from "./TestSystem.ts"
import { Traffic } from "./Traffic.ts"

const partitions = 8
const workers = 2
const edges = 2
const startWaitMilliseconds = 60_000
/** The time within which an edge must answer whether the edge is ready, in milliseconds. */
const readyWaitMilliseconds = 5_000

/** Three brokers, two workers and two edges with the default settings, in separate processes, under a light load. */
export class Installation {
  readonly cluster: TestCluster
  readonly traffic: Traffic
  pressure: Pressure | undefined
  private readonly asks: ReadonlyArray<Ask>
  private readonly environments: ReadonlyMap<string, Readonly<Record<string, string>>>
  private readonly processes: Map<string, TestProcess>
  private readonly users = Array.from({ length: partitions }, (_, partition) => userIn(partition, partitions, "user"))

  private constructor(
    cluster: TestCluster,
    asks: ReadonlyArray<Ask>,
    environments: ReadonlyMap<string, Readonly<Record<string, string>>>
  ) {
    this.cluster = cluster
    this.asks = asks
    this.environments = environments
    this.processes = new Map()
    for (const name of environments.keys()) this.start(name)
    this.traffic = new Traffic(this.users, asks)
  }

  /**
   * Starts the brokers, the workers `worker-1`, `worker-2`, …, and the edges `edge-1`, `edge-2`, …. Waits until all
   * callers are answered.
   */
  static async start(): Promise<Installation> {
    const cluster = await TestCluster.start()
    const common = {
      NATS_URL: cluster.url,
      PARTITIONS: String(partitions),
      REPLICAS: "3",
      LOG_LEVEL: process.env["LOG_LEVEL"] ?? "Warn"
    }
    await setUpStreams(testSettings(common))
    const ports = await Promise.all(Array.from({ length: edges }, freePort))
    const environments = new Map<string, Readonly<Record<string, string>>>()
    for (const [index, port] of ports.entries()) {
      environments.set(`edge-${index + 1}`, { ...common, PORT: String(port) })
    }
    for (let number = 1; number <= workers; number += 1) {
      environments.set(`worker-${number}`, { ...common, WORKER_ID: `worker-${number}` })
    }
    const installation = new Installation(cluster, ports.map(askAt), environments)
    await until("all callers are answered", () => installation.traffic.hasPassed(0), startWaitMilliseconds)
    await cluster.untilWhole()
    return installation
  }

  start(name: string): void {
    const role = name.startsWith("edge-") ? "edge" : "worker"
    this.processes.set(name, new TestProcess(role, this.environments.get(name) ?? {}))
  }

  async end(name: string, signal: NodeJS.Signals): Promise<void> {
    await this.processes.get(name)?.kill(signal)
  }

  /** Starts a heavy load beside the light one: `lanes` loops that send purchases one after another, without a pause. */
  press(lanes: number): void {
    this.pressure = new Pressure(lanes, this.asks)
  }

  /** Waits until all input that is stored now is applied. Fails if the wait takes longer than `withinMilliseconds`. */
  async untilApplied(withinMilliseconds = startWaitMilliseconds): Promise<void> {
    const admin = await BrokerAdmin.open(this.cluster.url, partitions)
    await admin.untilApplied(withinMilliseconds).finally(() => admin.close())
  }

  /**
   * Returns the problems with storing and applying purchases that the edges report; an empty list if all edges are
   * ready.
   */
  async troubles(): Promise<ReadonlyArray<string>> {
    const trouble = async (ask: Ask) => {
      const answer = await ask("/readyz?applying=required", { signal: AbortSignal.timeout(readyWaitMilliseconds) })
      return answer.ok ? [] : [`${answer.status}: ${exactJson(await answer.text()).detail}`]
    }
    return (await Promise.all(this.asks.map((ask) => trouble(ask).catch((cause) => [String(cause)])))).flat()
  }

  /** Returns the mistakes in the accounts of all users, as texts for people. */
  async mistakes(): Promise<ReadonlyArray<string>> {
    await this.traffic.stop()
    await this.pressure?.stop()
    await this.untilApplied()
    const [ask] = this.asks
    if (ask === undefined) return []
    const found = await Promise.all(
      this.users.map(async (user) => this.traffic.log.mistakesOf(user, await readAccount(ask, user)))
    )
    return [...found.flat(), ...this.traffic.readProblems, ...((await this.pressure?.mistakes(ask)) ?? [])]
  }

  output(): string {
    return [...this.processes].map(([name, process]) => `${name}:\n${process.output}`).join("\n")
  }

  async stop(): Promise<void> {
    await Promise.all([...this.processes.values()].map((process) => process.kill()))
    await this.cluster.stop()
  }
}
