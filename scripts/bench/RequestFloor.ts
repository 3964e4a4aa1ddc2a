import { TestBroker } from "../../test/support/TestBroker.ts"
import type { Stoppable } from "./Ending.ts"
import type { HttpFloorMessage } from "./floor/http.ts"
import type { FloorMessage } from "./floor/Protocol.ts"
import { startFloorProcess } from "./FloorProcess.ts"
import { createFloorStreams } from "./FloorStreams.ts"
import type { Served } from "./LoadProcess.ts"
import { NodeProcess } from "./NodeProcess.ts"

/**
 * The bare protocol for single requests: posts that are answered when they are applied, and strong reads, with the same
 * synced writes, checks and notices, without batches, Effect, validation, actors or recovery. A broker, a worker and an edge.
 */
export class RequestFloor implements Stoppable, Served {
  readonly broker: TestBroker
  readonly edgeUrl: string
  private readonly edge: NodeProcess
  private readonly worker: NodeProcess
  private readonly spawned: Array<NodeProcess> = []

  private constructor(broker: TestBroker, worker: NodeProcess, edge: NodeProcess, port: number) {
    this.broker = broker
    this.worker = worker
    this.edge = edge
    this.edgeUrl = `http://127.0.0.1:${port}`
  }

  static async start(): Promise<RequestFloor> {
    const broker = await TestBroker.start()
    const begun: Array<Stoppable> = [broker]
    try {
      await createFloorStreams(broker.url)
      const environment = { NATS_URL: broker.url }
      const worker = startFloorProcess("requestWorker", environment)
      begun.push(worker)
      await worker.message<FloorMessage, "ready">("ready")
      const edge = startFloorProcess("edge", environment)
      begun.push(edge)
      const { port } = await edge.message<HttpFloorMessage, "listening">("listening")
      return new RequestFloor(broker, worker, edge, port)
    } catch (cause) {
      for (const one of begun.toReversed()) await one.stop()
      throw cause
    }
  }

  get servers() {
    return { edge: this.edge, worker: this.worker, broker: this.broker }
  }

  spawn(name: string, script: string): NodeProcess {
    const process = new NodeProcess({ name: `floor-${name}`, script, environment: {} })
    this.spawned.push(process)
    return process
  }

  /** What its processes printed: nothing, unless something went wrong. */
  said(): Array<string> {
    return [this.edge, this.worker, ...this.spawned].flatMap((process) => process.said())
  }

  async stop(): Promise<void> {
    for (const process of [...this.spawned, this.edge, this.worker]) await process.stop()
    await this.broker.stop()
  }
}
