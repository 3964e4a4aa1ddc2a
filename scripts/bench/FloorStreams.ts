import {
  headsPrefix,
  headsStream,
  inputStream,
  journalPrefix,
  journalStream,
  partitionFilter
} from "../../src/protocol/Subject.ts"
import { withClient } from "./BrokerClient.ts"
import { floorPartitions } from "./floor/Protocol.ts"

/** The most messages of one subject of the floor's streams. The nats CLI refuses a history without a limit. */
const historyMax = 1e12

const inputConfig = {
  name: inputStream,
  subjects: Array.from({ length: floorPartitions }, (_, partition) => partitionFilter(partition)),
  duplicate_window: 120e9
}

const journalConfig = {
  name: journalStream,
  subjects: [`${journalPrefix}>`],
  max_msgs_per_subject: historyMax,
  allow_direct: true
}
const headsConfig = { name: headsStream, subjects: [`${headsPrefix}>`], max_msgs_per_subject: 1, allow_direct: true }

/** Creates the streams of the floor with those settings of the ledger's streams that the protocol needs. */
export const createFloorStreams = (brokerUrl: string): Promise<void> =>
  withClient(brokerUrl, async (client) => {
    for (const config of [inputConfig, journalConfig, headsConfig]) {
      const created = await client.request(
        `$JS.API.STREAM.CREATE.${config.name}`,
        JSON.stringify({ retention: "limits", storage: "file", discard: "new", num_replicas: 1, ...config }),
        { timeout: 30_000 }
      )
      const { error } = created.json<{ readonly error?: { readonly description: string } }>()
      if (error !== undefined) throw new Error(error.description)
    }
  })
