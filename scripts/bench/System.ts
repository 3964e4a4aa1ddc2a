import { join } from "node:path"
import { freePort, projectRoot, TestBroker, until } from "../../test/support/TestBroker.ts"
import type { Stoppable } from "./Ending.ts"
import { NodeProcess, type NodeProcessOptions } from "./NodeProcess.ts"
import { wrongTotals } from "./Totals.ts"

const mainScript = join(projectRoot, "src/main.ts")

export interface SystemOptions {
  /** Ends the names of the profiles. */
  readonly run: number
  readonly profiles: string | undefined
  /** Whether the edge has anything to do that is worth a profile. */
  readonly usesEdge: boolean
}

/** A broker, a worker and an edge that nobody else uses, each a process, on an empty ledger. */
export class System implements Stoppable {
  readonly broker: TestBroker
  readonly worker: NodeProcess
  readonly edge: NodeProcess
  readonly edgeUrl: string
  private readonly options: SystemOptions
  private readonly processes: Array<NodeProcess>

  private constructor(
    broker: TestBroker,
    worker: NodeProcess,
    edge: NodeProcess,
    port: number,
    options: SystemOptions
  ) {
    this.broker = broker
    this.worker = worker
    this.edge = edge
    this.edgeUrl = `http://127.0.0.1:${port}`
    this.options = options
    this.processes = [worker, edge]
  }

  static async start(options: SystemOptions): Promise<System> {
    const port = await freePort()
    const broker = await TestBroker.start()
    const role = (name: "worker" | "edge") =>
      new NodeProcess({
        name: `${name}-${options.run}`,
        script: mainScript,
        arguments: ["--role", name],
        environment: environmentOf(broker, { PORT: String(port) }),
        profiles: name === "edge" && !options.usesEdge ? undefined : options.profiles
      })
    const system = new System(broker, role("worker"), role("edge"), port, options)
    try {
      await until("the edge is ready, and the worker answers for every partition", () => system.isReady())
    } catch (cause) {
      await system.stop()
      throw new Error([String(cause), ...system.said()].join("\n"), { cause })
    }
    return system
  }

  /** A further process on this system. It ends with it. */
  spawn(options: Omit<NodeProcessOptions, "environment" | "profiles"> & { readonly isProfiled: boolean }): NodeProcess {
    const { name, isProfiled, ...rest } = options
    const process = new NodeProcess({
      ...rest,
      name: `${name}-${this.options.run}`,
      environment: environmentOf(this.broker, {}),
      profiles: isProfiled ? this.options.profiles : undefined
    })
    this.processes.push(process)
    return process
  }

  /** What its processes logged: warnings and errors. */
  said(): Array<string> {
    return this.processes.flatMap(({ name, lines }) => lines.map((line) => `${name}: ${line}`))
  }

  async stop(): Promise<void> {
    for (const process of this.processes.toReversed()) await process.stop()
    await this.broker.stop()
  }

  // A user of each partition is among these many, as good as certainly.
  private async isReady(): Promise<boolean> {
    if (this.worker.hasEnded || this.edge.hasEnded) throw new Error("a process ended while it started")
    const strangers = Array.from({ length: 64 }, (_, index) => [`stranger-${index}`, { count: 0, cents: 0n }] as const)
    try {
      const ready = await fetch(`${this.edgeUrl}/readyz`)
      return ready.ok && (await wrongTotals(this.edgeUrl, new Map(strangers))).length === 0
    } catch {
      return false
    }
  }
}

const environmentOf = (broker: TestBroker, more: Record<string, string>) => ({
  NATS_URL: broker.url,
  HOST: "127.0.0.1",
  LOG_LEVEL: "Warn",
  ...more
})
