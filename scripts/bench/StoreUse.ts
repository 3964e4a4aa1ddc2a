import { inputStream, ledgerStream } from "../../src/domain/Subject.ts"
import { withClient } from "./BrokerClient.ts"

/** The bytes that each stream holds on disk, by its name, as the broker counts them. */
export const streamBytes = (brokerUrl: string): Promise<ReadonlyMap<string, number>> =>
  withClient(brokerUrl, async (client) => {
    const bytes = new Map<string, number>()
    const manager = await client.jetstreamManager()
    for await (const { config, state } of manager.streams.list()) bytes.set(config.name, state.bytes)
    return bytes
  })

/** The bytes on disk of the two streams of the ledger. */
export const storeUse = async (
  brokerUrl: string
): Promise<{ readonly inputBytes: number; readonly ledgerBytes: number }> => {
  const bytes = await streamBytes(brokerUrl)
  return { inputBytes: bytes.get(inputStream) ?? 0, ledgerBytes: bytes.get(ledgerStream) ?? 0 }
}
