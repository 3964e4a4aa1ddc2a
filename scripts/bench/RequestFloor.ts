import { TestBroker } from "../../src/harness/system/TestBroker.ts"
import type { Stoppable } from "./Ending.ts"
import type { HttpFloorMessage } from "./floor/http.ts"
import type { FloorMessage } from "./floor/Protocol.ts"
import { FloorProcesses } from "./FloorProcesses.ts"
import { createFloorStreams } from "./FloorStreams.ts"
import type { Served } from "./LoadProcess.ts"
import type { NodeProcess } from "./NodeProcess.ts"

/**
 * The floor of single requests: posts that are answered when their purchases are applied, and strong reads. The floor
 * is a broker, a worker and an edge, with the same synced writes, checks and notices as the system. The floor has no
 * Effect, validation, actors or recovery.
 */
export class RequestFloor implements Stoppable, Served {
  readonly broker: TestBroker
  readonly edgeUrl: string
  readonly servers: Served["servers"]
  private readonly processes: FloorProcesses

  private constructor(
    broker: TestBroker,
    processes: FloorProcesses,
    worker: NodeProcess,
    edge: NodeProcess,
    port: number
  ) {
    this.broker = broker
    this.processes = processes
    this.servers = { edge, worker, broker }
    this.edgeUrl = `http://127.0.0.1:${port}`
  }

  static async start(): Promise<RequestFloor> {
    const broker = await TestBroker.start()
    const processes = new FloorProcesses()
    try {
      await createFloorStreams(broker.url)
      const environment = { NATS_URL: broker.url }
      const worker = processes.start("worker", environment)
      await worker.message<FloorMessage, "ready">("ready")
      const edge = processes.start("edge", environment)
      const { port } = await edge.message<HttpFloorMessage, "listening">("listening")
      return new RequestFloor(broker, processes, worker, edge, port)
    } catch (cause) {
      await processes.stop()
      await broker.stop()
      throw cause
    }
  }

  spawn(name: string, script: string): NodeProcess {
    return this.processes.spawn(name, script)
  }

  said(): Array<string> {
    return this.processes.said()
  }

  async stop(): Promise<void> {
    await this.processes.stop()
    await this.broker.stop()
  }
}
