import { connect, type NatsConnection } from "nats"

/** Opens a plain connection to the broker, apart from `src/nats`. */
export const withClient = async <A>(url: string, use: (client: NatsConnection) => Promise<A>): Promise<A> => {
  const client = await connect({ servers: url, name: "benchmark" })
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}
