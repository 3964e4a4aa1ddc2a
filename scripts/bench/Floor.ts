import { fileURLToPath } from "node:url"
import { TestBroker } from "../../test/support/TestBroker.ts"
import { inputStream, ledgerPrefix, ledgerStream, partitionFilter } from "../../src/domain/Subject.ts"
import { withClient } from "./BrokerClient.ts"
import type { Stoppable } from "./Ending.ts"
import { type FloorMessage, floorPartitions } from "./floor/Protocol.ts"
import { NodeProcess } from "./NodeProcess.ts"

const scriptOf = (name: string): string => fileURLToPath(new URL(`floor/${name}.ts`, import.meta.url))

/** The two streams as the project's topology makes them, as far as the protocol needs it. */
const createStreams = (brokerUrl: string): Promise<void> =>
  withClient(brokerUrl, async (client) => {
    const configs = [
      {
        name: inputStream,
        subjects: Array.from({ length: floorPartitions }, (_, partition) => partitionFilter(partition)),
        duplicate_window: 120e9
      },
      { name: ledgerStream, subjects: [`${ledgerPrefix}>`], max_msgs_per_subject: 1e12, allow_atomic: true }
    ]
    for (const config of configs) {
      const created = await client.request(
        `$JS.API.STREAM.CREATE.${config.name}`,
        JSON.stringify({ retention: "limits", storage: "file", discard: "new", num_replicas: 1, ...config })
      )
      const { error } = created.json<{ readonly error?: { readonly description: string } }>()
      if (error !== undefined) throw new Error(error.description)
    }
  })

export interface FloorOptions {
  /** On how many shelves its accounts stand, instead of each by itself. */
  readonly shelves?: number
}

/**
 * The bare protocol: what it costs on this machine to store, apply and acknowledge purchases with the same broker, the
 * same settings and the same writes, without anything that makes a product of it. A publisher and a worker.
 */
export class Floor implements Stoppable {
  readonly broker: TestBroker
  readonly partitions = floorPartitions
  readonly publisher: NodeProcess
  readonly worker: NodeProcess

  private constructor(broker: TestBroker, { shelves = 0 }: FloorOptions) {
    const environment = { NATS_URL: broker.url, SHELVES: String(shelves) }
    const process = (name: string) => new NodeProcess({ name: `floor-${name}`, script: scriptOf(name), environment })
    this.broker = broker
    this.publisher = process("publisher")
    this.worker = process("worker")
  }

  static async start(options: FloorOptions): Promise<Floor> {
    const broker = await TestBroker.start()
    let begun: Stoppable = broker
    try {
      await createStreams(broker.url)
      const floor = new Floor(broker, options)
      begun = floor
      await Promise.all([floor.publisher, floor.worker].map((one) => one.message<FloorMessage, "ready">("ready")))
      return floor
    } catch (cause) {
      await begun.stop()
      throw cause
    }
  }

  /** What its processes printed: nothing, unless something went wrong. */
  said(): Array<string> {
    return [this.publisher, this.worker].flatMap((process) => process.said())
  }

  async stop(): Promise<void> {
    await Promise.all([this.publisher.stop(), this.worker.stop()])
    await this.broker.stop()
  }
}
