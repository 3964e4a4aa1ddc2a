import { connect } from "nats"

interface Message {
  readonly purchases: ReadonlyArray<{
    readonly userId: string
    readonly purchaseId: string
    readonly valueCents: number
    readonly quantity: number
  }>
}

/** Everything that the input log holds, read with the client's own means: for what an edge has made up by itself. */
export const inputPurchases = async (brokerUrl: string) => {
  const connection = await connect({ servers: brokerUrl, name: "benchmark" })
  try {
    const manager = await connection.jetstreamManager()
    const { state } = await manager.streams.info("PURCHASES")
    const purchases = []
    if (state.last_seq === 0) return []
    const consumer = await connection.jetstream().consumers.get("PURCHASES")
    for await (const message of await consumer.consume()) {
      for (const purchase of message.json<Message>().purchases) {
        purchases.push({ ...purchase, valueCents: BigInt(purchase.valueCents) })
      }
      if (message.seq >= state.last_seq) break
    }
    return purchases
  } finally {
    await connection.close()
  }
}
