import { TestBroker } from "../../test/support/TestBroker.ts"
import { TestCluster } from "../../test/support/TestCluster.ts"
import type { Stoppable } from "./Ending.ts"
import { type FloorMessage, floorPartitions } from "./floor/Protocol.ts"
import { FloorProcesses } from "./FloorProcesses.ts"
import { createFloorStreams, type FloorStreamOptions } from "./FloorStreams.ts"
import type { NodeProcess } from "./NodeProcess.ts"

export interface FloorOptions extends FloorStreamOptions {
  /** The cap of a commit, and the accounts that stay in memory: of the chain alone. */
  readonly commitKibibytes?: number
  readonly residentMax?: number
}

const workerOf = { batches: "worker", chain: "chainWorker" } as const

const environmentOf = ({ commitKibibytes, residentMax }: FloorOptions): Record<string, string> => ({
  ...(commitKibibytes === undefined ? {} : { COMMIT_KIB: String(commitKibibytes) }),
  ...(residentMax === undefined ? {} : { RESIDENT: String(residentMax) })
})

/** One broker, or three that replicate. */
const startBrokers = async (replicas: number) => {
  if (replicas === 1) {
    const broker = await TestBroker.start()
    return { brokers: [broker], stop: () => broker.stop() }
  }
  const cluster = await TestCluster.start()
  return { brokers: cluster.brokers, stop: () => cluster.stop() }
}

/**
 * The bare protocol: what it costs on this machine to store, apply and acknowledge purchases with the same broker, the
 * same settings and the same writes, without anything that makes a product of it. A publisher and a worker.
 */
export class Floor implements Stoppable {
  readonly layout: FloorOptions["layout"]
  readonly broker: TestBroker
  readonly brokers: ReadonlyArray<TestBroker>
  readonly partitions = floorPartitions
  readonly publisher: NodeProcess
  readonly worker: NodeProcess
  private readonly processes = new FloorProcesses()
  private readonly stopBrokers: () => Promise<void>

  private constructor(brokers: ReadonlyArray<TestBroker>, stopBrokers: () => Promise<void>, options: FloorOptions) {
    const [broker] = brokers
    if (broker === undefined) throw new Error("a floor needs a broker")
    const environment = { NATS_URL: broker.url, ...environmentOf(options) }
    this.layout = options.layout
    this.broker = broker
    this.brokers = brokers
    this.stopBrokers = stopBrokers
    this.publisher = this.processes.start("publisher", environment)
    this.worker = this.processes.start(workerOf[options.layout], environment)
  }

  static async start(options: FloorOptions): Promise<Floor> {
    const { brokers, stop } = await startBrokers(options.replicas ?? 1)
    let begun: Stoppable = { stop }
    try {
      await createFloorStreams(brokers.map(({ url }) => url).join(","), options)
      const floor = new Floor(brokers, stop, options)
      begun = floor
      await Promise.all([floor.publisher, floor.worker].map((one) => one.message<FloorMessage, "ready">("ready")))
      return floor
    } catch (cause) {
      await begun.stop()
      throw cause
    }
  }

  said(): Array<string> {
    return this.processes.said()
  }

  async stop(): Promise<void> {
    await this.processes.stop()
    await this.stopBrokers()
  }
}
