import {
  headsPrefix,
  headsStream,
  inputStream,
  journalPrefix,
  journalStream,
  ledgerPrefix,
  ledgerStream,
  partitionFilter
} from "../../src/domain/Subject.ts"
import { withClient } from "./BrokerClient.ts"
import { floorPartitions } from "./floor/Protocol.ts"

/** How the bare protocol stores what it applies: a message an account in atomic batches, or a message a commit. */
export type FloorLayout = "batches" | "chain"

export interface FloorStreamOptions {
  readonly layout: FloorLayout
  readonly replicas?: number
  /** Whether the broker compresses the chain. */
  readonly isCompressed?: boolean
}

/** The nats CLI refuses a history without limit. */
const historyMax = 1e12

const inputConfig = {
  name: inputStream,
  subjects: Array.from({ length: floorPartitions }, (_, partition) => partitionFilter(partition)),
  duplicate_window: 120e9
}

const ledgerConfigs = ({ layout, isCompressed = false }: FloorStreamOptions) =>
  layout === "batches"
    ? [{ name: ledgerStream, subjects: [`${ledgerPrefix}>`], max_msgs_per_subject: historyMax, allow_atomic: true }]
    : [
        {
          name: journalStream,
          subjects: [`${journalPrefix}>`],
          max_msgs_per_subject: historyMax,
          allow_direct: true,
          compression: isCompressed ? "s2" : "none"
        },
        { name: headsStream, subjects: [`${headsPrefix}>`], max_msgs_per_subject: 1, allow_direct: true }
      ]

/** The streams as the project's topology makes them, as far as the protocol needs it. */
export const createFloorStreams = (brokerUrl: string, options: FloorStreamOptions): Promise<void> =>
  withClient(brokerUrl, async (client) => {
    const { replicas = 1 } = options
    for (const config of [inputConfig, ...ledgerConfigs(options)]) {
      const created = await client.request(
        `$JS.API.STREAM.CREATE.${config.name}`,
        JSON.stringify({ retention: "limits", storage: "file", discard: "new", num_replicas: replicas, ...config }),
        { timeout: 30_000 }
      )
      const { error } = created.json<{ readonly error?: { readonly description: string } }>()
      if (error !== undefined) throw new Error(error.description)
    }
  })
