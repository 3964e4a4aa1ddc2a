import type { NatsConnection } from "nats"
import { fail } from "./Protocol.ts"

interface Found {
  readonly message?: { readonly seq: number }
  readonly error?: { readonly err_code: number; readonly description: string }
}

const noMessageFound = 10_037

/** The sequence of a message that the leader of a stream finds, if there is one. */
export const findSequence = async (
  client: NatsConnection,
  stream: string,
  query: object
): Promise<number | undefined> => {
  const reply = await client.request(`$JS.API.STREAM.MSG.GET.${stream}`, JSON.stringify(query), { timeout: 5_000 })
  const { message, error } = reply.json<Found>()
  if (error !== undefined && error.err_code !== noMessageFound) fail(`${stream}: ${error.description}`)
  return message?.seq
}

/** One read for all that wait at that moment: who asks while one is under way shares the next. */
export const shared = <A>(read: () => Promise<A>): (() => Promise<A>) => {
  let current: Promise<unknown> | undefined
  let next: Promise<A> | undefined
  return () => {
    next ??= Promise.resolve(current).then(() => {
      const reading = read()
      next = undefined
      current = reading
      return reading
    })
    return next
  }
}
