import { inputStream, ledgerPrefix, ledgerStream, partitionFilter } from "../../src/domain/Subject.ts"
import { withClient } from "./BrokerClient.ts"
import { floorPartitions } from "./floor/Protocol.ts"

/** The two streams as the project's topology makes them, as far as the protocol needs it. */
export const createFloorStreams = (brokerUrl: string): Promise<void> =>
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
