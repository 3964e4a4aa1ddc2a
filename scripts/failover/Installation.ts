import { BrokerAdmin } from "../../test/support/BrokerAdmin.ts"
import { type Ask, askAt, readAccount } from "../../test/support/Shopper.ts"
import { freePort, until } from "../../test/support/TestBroker.ts"
import { TestCluster } from "../../test/support/TestCluster.ts"
import { TestProcess } from "../../test/support/TestProcess.ts"
import { userIn } from "../../test/support/TestSystem.ts"
import { Traffic } from "./Traffic.ts"

const partitions = 8
const workers = 2
const edges = 2
const startWaitMilliseconds = 60_000

/** Three brokers, workers and edges at the default settings, in processes of their own, under a light load. */
export class Installation {
  readonly cluster: TestCluster
  readonly traffic: Traffic
  private readonly asks: ReadonlyArray<Ask>
  private readonly processes: Map<string, TestProcess>
  private readonly users: ReadonlyArray<string>

  private constructor(cluster: TestCluster, asks: ReadonlyArray<Ask>, processes: Map<string, TestProcess>) {
    this.cluster = cluster
    this.asks = asks
    this.processes = processes
    this.users = Array.from({ length: partitions }, (_, partition) => userIn(partition, partitions, "user"))
    this.traffic = new Traffic(this.users, asks)
  }

  static async start(): Promise<Installation> {
    const cluster = await TestCluster.start()
    const ports = await Promise.all(Array.from({ length: edges }, freePort))
    const processes = new Map<string, TestProcess>()
    const asks = ports.map(askAt)
    for (const [index, port] of ports.entries()) {
      processes.set(`edge-${index + 1}`, new TestProcess("edge", { ...environmentOn(cluster), PORT: String(port) }))
    }
    for (let number = 1; number <= workers; number += 1) {
      processes.set(`worker-${number}`, startWorker(cluster, `worker-${number}`))
    }
    const answers = async (ask: Ask) => (await ask("/total/nobody").catch(() => undefined))?.ok === true
    for (const ask of asks) await until("the edge answers", () => answers(ask), startWaitMilliseconds)
    await cluster.untilWhole()
    return new Installation(cluster, asks, processes)
  }

  async endWorker(name: string, signal: NodeJS.Signals): Promise<void> {
    await this.processes.get(name)?.kill(signal)
  }

  startWorker(name: string): void {
    this.processes.set(name, startWorker(this.cluster, name))
  }

  /** What is wrong with the accounts after all. */
  async mistakes(): Promise<ReadonlyArray<string>> {
    await this.traffic.stop()
    const admin = await BrokerAdmin.open(this.cluster.url, partitions)
    await admin.untilApplied(startWaitMilliseconds)
    await admin.close()
    const [ask] = this.asks
    if (ask === undefined) return []
    const found = await Promise.all(
      this.users.map(async (user) => this.traffic.log.mistakesOf(user, await readAccount(ask, user)))
    )
    return [...found.flat(), ...this.traffic.readProblems]
  }

  output(): string {
    return [...this.processes].map(([name, process]) => `${name}:\n${process.output}`).join("\n")
  }

  async stop(): Promise<void> {
    await Promise.all([...this.processes.values()].map((process) => process.kill()))
    await this.cluster.stop()
  }
}

const environmentOn = (cluster: TestCluster) => ({
  NATS_URL: cluster.url,
  PARTITIONS: String(partitions),
  REPLICAS: "3",
  LOG_LEVEL: process.env["LOG_LEVEL"] ?? "Warn"
})

const startWorker = (cluster: TestCluster, name: string): TestProcess =>
  new TestProcess("worker", { ...environmentOn(cluster), WORKER_ID: name })
