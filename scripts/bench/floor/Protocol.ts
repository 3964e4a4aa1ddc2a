import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from "nats"

/** The number of partitions of the floor program, the same as the default of a ledger. */
export const floorPartitions = 8

/**
 * The notice of the floor's worker for single requests: the number of the message, the index of the purchase, and the
 * total after the purchase.
 */
export type FloorNotice = readonly [message: number, index: number, total: string]

const encoder = new TextEncoder()

/** Returns message headers that are made of one text. To publish headers, the NATS client only calls `encode`. */
export const headersOf = (fields: string): MsgHdrs =>
  ({ encode: () => encoder.encode(`NATS/1.0\r\n${fields}\r\n`) }) as unknown as MsgHdrs

export interface BrokerReply {
  readonly seq: number
  readonly count?: number
  readonly duplicate?: boolean
  readonly error?: { readonly description: string }
}

/** Prints a reason, and ends the process. An error that a callback throws would only reach the NATS client. */
export const fail = (reason: string): never => {
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

/**
 * Returns a function that publishes a request, and calls `answered` with the reply. The replies to all requests come
 * through one subscription.
 */
export const requests = (client: NatsConnection) => {
  const prefix = `${createInbox()}.`
  const waiting = new Map<string, (message: Msg) => void>()
  let tokens = 0
  client.subscribe(`${prefix}*`, {
    callback: (_error, message) => {
      const answered = waiting.get(message.subject)
      waiting.delete(message.subject)
      answered?.(message)
    }
  })
  return (subject: string, payload: Uint8Array | string, answered: (message: Msg) => void, headers?: MsgHdrs): void => {
    tokens += 1
    const reply = prefix + tokens.toString(36)
    waiting.set(reply, answered)
    client.publish(subject, payload, headers === undefined ? { reply } : { reply, headers })
  }
}

/** Returns a function that publishes a message into a stream, and calls `answered` with the answer of the broker. */
export const replies = (client: NatsConnection) => {
  const request = requests(client)
  return (
    subject: string,
    payload: Uint8Array | string,
    headers: MsgHdrs,
    answered: (reply: BrokerReply) => void
  ): void => {
    const said = (message: Msg) => {
      const answer = message.json<BrokerReply>()
      // Each failure ends the floor program, because it has no take-overs and no retries.
      if (answer.error !== undefined) fail(`${subject}: ${answer.error.description}`)
      answered(answer)
    }
    request(subject, payload, said, headers)
  }
}

export type Publish = ReturnType<typeof replies>

/** A message of the floor program to the benchmark. */
export type FloorMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "progress"; readonly published: number }
  | { readonly kind: "published" }

/**
 * The options of the floor's HTTP server, which equal the options of an edge. With the options of an edge, idle
 * connections of the load stay open.
 */
export const httpServerOptions = { keepAliveTimeout: 75_000 }

export const tell = (message: FloorMessage): void => void process.send?.(message)

/** Ends this process of the floor with a signal of the benchmark, or when the benchmark is gone. */
export const endWithBenchmark = (): void => {
  process.once("SIGTERM", () => process.exit(0))
  process.once("disconnect", () => process.exit(1))
}
