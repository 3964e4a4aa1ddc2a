import { inputStream, journalStream } from "../../src/protocol/Subject.ts"
import { withClient } from "./BrokerClient.ts"

/** Reads how many bytes the input log and the journal take on disk, as the broker counts them. */
export const storeUse = (brokerUrl: string): Promise<{ readonly inputBytes: number; readonly ledgerBytes: number }> =>
  withClient(brokerUrl, async (client) => {
    const manager = await client.jetstreamManager()
    const bytesOf = async (stream: string) => (await manager.streams.info(stream)).state.bytes
    return { inputBytes: await bytesOf(inputStream), ledgerBytes: await bytesOf(journalStream) }
  })
