import type { NatsConnection } from "nats"
import { connectAs } from "../../src/harness/system/TestKeys.ts"

/** Opens a connection to the broker with the NATS client alone, without the code of `src/nats`. */
export const withClient = async <A>(url: string, use: (client: NatsConnection) => Promise<A>): Promise<A> => {
  const client = await connectAs("admin", url, { name: "benchmark" })
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}
