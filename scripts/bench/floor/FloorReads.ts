import { createInbox, type Msg, type NatsConnection } from "nats"
import { fail } from "./Protocol.ts"

/** The most reads in flight. With far more reads, the broker would close the connection of a slow consumer. */
const readsAtOnceMax = 32
const pageMessages = 64
const pageBytesMax = 4 * 1024 * 1024

export interface ReadMessage {
  readonly sequence: number
  readonly data: Uint8Array
}

const messageOf = (message: Msg): ReadMessage => ({
  sequence: Number(message.headers?.get("Nats-Sequence")),
  data: message.data
})

interface Waiting {
  readonly got: Array<Msg>
  readonly isBatch: boolean
  readonly done: (got: Array<Msg>) => void
}

const endOfBatch = 204
const nothingFound = 404

/** Reads messages of one stream by direct get, a bounded number at once. */
export const floorReads = (client: NatsConnection, stream: string) => {
  const prefix = `${createInbox()}.`
  const waiting = new Map<string, Waiting>()
  const queue: Array<() => void> = []
  let tokens = 0
  let open = 0
  client.subscribe(`${prefix}*`, {
    callback: (_error, message) => {
      const entry = waiting.get(message.subject)
      if (entry === undefined) return
      const code = message.headers?.code ?? 0
      if (code === 0) entry.got.push(message)
      else if (code !== endOfBatch && code !== nothingFound)
        fail(`a read of ${stream}: ${message.headers?.description}`)
      if (code === 0 && entry.isBatch) return
      waiting.delete(message.subject)
      entry.done(entry.got)
    }
  })
  const ask = (query: object, isBatch: boolean): Promise<Array<Msg>> =>
    new Promise((done) => {
      tokens += 1
      const reply = prefix + tokens.toString(36)
      waiting.set(reply, { got: [], isBatch, done })
      client.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(query), { reply })
    })
  const read = async (query: object, isBatch: boolean): Promise<Array<ReadMessage>> => {
    if (open >= readsAtOnceMax) await new Promise<void>((turn) => queue.push(turn))
    else open += 1
    const got = await ask(query, isBatch)
    const next = queue.shift()
    if (next === undefined) open -= 1
    else next()
    return got.map(messageOf)
  }
  return {
    at: async (sequence: number): Promise<Uint8Array> => {
      const [message] = await read({ seq: sequence }, false)
      return message?.data ?? fail(`${stream} has nothing at ${sequence}`)
    },
    latest: async (subject: string): Promise<ReadMessage | undefined> =>
      (await read({ last_by_subj: subject }, false))[0],
    /** Returns the next messages of a subject from a sequence on; an empty list at the end of the subject. */
    from: (subject: string, sequence: number): Promise<Array<ReadMessage>> =>
      read({ seq: sequence, next_by_subj: subject, batch: pageMessages, max_bytes: pageBytesMax }, true)
  }
}
export type FloorReads = ReturnType<typeof floorReads>
