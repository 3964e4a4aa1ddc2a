import { inputStream } from "../../src/protocol/Subject.ts"
import { withClient } from "./BrokerClient.ts"

interface Message {
  readonly purchases: ReadonlyArray<{
    readonly userId: string
    readonly purchaseId: string
    readonly valueCents: number
    readonly quantity: number
  }>
}

/** Reads all purchases of the input log with the NATS client alone, for cases in which the edge makes the purchases. */
export const inputPurchases = (brokerUrl: string) =>
  withClient(brokerUrl, async (client) => {
    const manager = await client.jetstreamManager()
    const { state } = await manager.streams.info(inputStream)
    const purchases = []
    if (state.last_seq === 0) return []
    const consumer = await client.jetstream().consumers.get(inputStream)
    for await (const message of await consumer.consume()) {
      for (const purchase of message.json<Message>().purchases) {
        purchases.push({ ...purchase, valueCents: BigInt(purchase.valueCents) })
      }
      if (message.seq >= state.last_seq) break
    }
    return purchases
  })
