import { TestBroker } from "../../src/harness/system/TestBroker.ts"
import type { Stoppable } from "./Ending.ts"
import { type FloorMessage, floorPartitions } from "./floor/Protocol.ts"
import { FloorProcesses } from "./FloorProcesses.ts"
import { createFloorStreams } from "./FloorStreams.ts"
import type { NodeProcess } from "./NodeProcess.ts"

export interface FloorOptions {
  /** The most accounts that the floor keeps in memory; all accounts by default. */
  readonly residentMax?: number
}

/**
 * The floor of purchases: a publisher and a worker that store, apply and acknowledge purchases with the same broker,
 * the same settings and the same writes as the system. The floor has nothing else of the product.
 */
export class Floor implements Stoppable {
  readonly broker: TestBroker
  readonly partitions = floorPartitions
  readonly publisher: NodeProcess
  readonly workers: ReadonlyArray<NodeProcess>
  private readonly processes = new FloorProcesses()

  private constructor(broker: TestBroker, { residentMax }: FloorOptions) {
    const environment = { NATS_URL: broker.url }
    this.broker = broker
    this.publisher = this.processes.start("publisher", environment)
    const residents = residentMax === undefined ? {} : { RESIDENT: String(residentMax) }
    this.workers = [this.processes.start("worker", { ...environment, ...residents })]
  }

  static async start(options: FloorOptions): Promise<Floor> {
    const broker = await TestBroker.start()
    let begun: Stoppable = broker
    try {
      await createFloorStreams(broker.url)
      const floor = new Floor(broker, options)
      begun = floor
      await Promise.all([floor.publisher, ...floor.workers].map((one) => one.message<FloorMessage, "ready">("ready")))
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
    await this.broker.stop()
  }
}
