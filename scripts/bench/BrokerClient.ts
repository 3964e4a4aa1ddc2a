import { connect, type NatsConnection } from "nats"

/** Looks at the broker with a connection of its own, which says nothing of the project's way to use it. */
export const withClient = async <A>(url: string, use: (client: NatsConnection) => Promise<A>): Promise<A> => {
  const client = await connect({ servers: url, name: "benchmark" })
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}
