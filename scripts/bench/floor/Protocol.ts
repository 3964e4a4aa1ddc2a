import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from "nats"

/** The number of partitions of the floor program, as of a ledger by default. */
export const floorPartitions = 8

/** What the worker of single requests tells an edge: the number of its message, the purchase's place, the total after it. */
export type FloorNotice = readonly [message: number, index: number, total: string]

const encoder = new TextEncoder()

/** Headers written as one text; the client asks of headers to publish only `encode`. */
export const headersOf = (fields: string): MsgHdrs =>
  ({ encode: () => encoder.encode(`NATS/1.0\r\n${fields}\r\n`) }) as unknown as MsgHdrs

export interface BrokerReply {
  readonly seq: number
  readonly count?: number
  readonly duplicate?: boolean
  readonly error?: { readonly description: string }
}

/** Ends the process. An error thrown in a callback would go no further than the client. */
export const fail = (reason: string): never => {
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

/** Publishes with a reply subject under one subscription; `answered` gets the reply. */
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

/** Publishes what the broker stores; `answered` gets what it says. */
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
      // It knows neither of take-overs nor of doubt: whatever is not success ends it.
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

/** As of the ledger's edge, in milliseconds: connections that the load keeps outlive a quiet time. */
export const httpServerOptions = { keepAliveTimeout: 75_000 }

export const tell = (message: FloorMessage): void => void process.send?.(message)

/** Ends the process with the benchmark, or with a mistake. */
export const endWithBenchmark = (): void => {
  process.once("SIGTERM", () => process.exit(0))
  process.once("disconnect", () => process.exit(1))
}
