import type { NatsConnection } from "nats"
import { fail } from "./Protocol.ts"

interface Found {
  readonly message?: { readonly seq: number }
  readonly error?: { readonly err_code: number; readonly description: string }
}

const noMessageFound = 10_037

/** Reads the sequence of a message from the leader of a stream; `undefined` if the stream has no such message. */
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

/**
 * Returns a function that makes one read for all callers that wait when the read begins. Callers that come during a
 * shared read share the next read.
 */
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
