import { headers, type Msg, type MsgHdrs } from "nats"
import { describe, expect, it } from "vitest"
import { SessionDeliveries } from "../../src/nats/StreamSession.ts"

const commit = (sequence: number, deliverySequence: number): Msg =>
  ({
    reply: `$JS.ACK.KV_journal.feed.1.${sequence}.${deliverySequence}.1795899869123456789.0`,
    string: () => `commit ${sequence}`
  }) as Msg

const status = (fields: Readonly<Record<string, string>>, reply?: string): Msg => {
  const written = headers(100, "a status")
  for (const [name, value] of Object.entries(fields)) written.set(name, value)
  return { headers: written as MsgHdrs, ...(reply === undefined ? {} : { reply }) } as Msg
}

/**
 * Gives messages to a session. Returns the events that the session reports, and the subjects to which the session
 * publishes.
 */
const outcomeOf = (...messages: ReadonlyArray<Msg>) => {
  const heard: Array<number> = []
  const ends: Array<string> = []
  const published: Array<string> = []
  const client = { publish: (subject: string) => void published.push(subject) }
  const deliveries = new SessionDeliveries(client, {
    heard: ({ sequence }) => void heard.push(sequence),
    ended: (reason) => void ends.push(reason)
  })
  for (const message of messages) deliveries.take(message)
  return { heard, ends, published }
}

describe("A session of the commit stream", () => {
  it("a session passes commits on in their order", () => {
    expect(outcomeOf(commit(3, 1), commit(9, 2))).toEqual({ heard: [3, 9], ends: [], published: [] })
  })

  it("a session ends at a delivery that comes after a missing delivery, and does not pass it on", () => {
    expect(outcomeOf(commit(3, 1), commit(9, 3))).toMatchObject({ heard: [3], ends: ["a delivery is missing"] })
  })

  it("a session ends at a heartbeat that names a delivery which has not come", () => {
    const { ends } = outcomeOf(commit(3, 1), status({ "Nats-Last-Consumer": "2" }))
    expect(ends).toEqual(["a delivery before the newest heartbeat is missing"])
  })

  it("a session goes on after a heartbeat that names the newest delivery", () => {
    expect(outcomeOf(commit(3, 1), status({ "Nats-Last-Consumer": "1" })).ends).toEqual([])
  })

  it("a session answers each request for flow control, even the request in a heartbeat of the broker", () => {
    const asked = outcomeOf(status({}, "flow"), status({ "Nats-Consumer-Stalled": "stalled" }))
    expect(asked).toEqual({ heard: [], ends: [], published: ["flow", "stalled"] })
  })
})
