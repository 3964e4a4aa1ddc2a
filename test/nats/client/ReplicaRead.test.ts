import { Effect, Exit } from "effect"
import { headers, type Msg, type MsgHdrs } from "nats"
import { describe, expect, it } from "vitest"
import { readReplica, readReplicaAt, readReplicaPayload } from "../../../src/nats/client/ReplicaRead.ts"

const message = (fields: Readonly<Record<string, string | number>>, text = "", code = 0): Msg => {
  const written = code === 0 ? headers() : headers(code, "a status")
  for (const [name, value] of Object.entries(fields)) written.set(name, String(value))
  return { headers: written as MsgHdrs, string: () => text } as Msg
}

const value = (subject: string, sequence: number, before: number) =>
  message(
    {
      "Nats-Subject": subject,
      "Nats-Sequence": sequence,
      "Nats-Time-Stamp": "2026-11-28T08:00:00Z",
      "Nats-Last-Sequence": before
    },
    `value ${sequence}`
  )
const end = (last: number) => message({ "Nats-Last-Sequence": last }, "", 204)

/**
 * Returns the result of a read to which these messages are the answer. Expects that the read recognises the last
 * message as the last.
 */
const outcomeOf = (...answered: ReadonlyArray<Msg>) =>
  Effect.runPromise(
    Effect.exit(
      readReplica(
        {
          requestAll: (_request, isLast) => {
            expect(answered.map(isLast)).toEqual(answered.map((_, index) => index === answered.length - 1))
            return Effect.succeed(answered)
          }
        },
        "KV_journal",
        {}
      )
    )
  ).then((exit) => (Exit.isSuccess(exit) ? exit.value : Exit.findErrorOption(exit)))

describe("A read of a replica", () => {
  it("a read of a replica returns the messages in the order of the stream", async () => {
    expect(await outcomeOf(value("a", 3, 0), value("b", 7, 3), end(7))).toEqual([
      { subject: "a", sequence: 3, storedAt: Date.parse("2026-11-28T08:00:00Z"), text: "value 3" },
      { subject: "b", sequence: 7, storedAt: Date.parse("2026-11-28T08:00:00Z"), text: "value 7" }
    ])
  })

  it("a read of a replica returns an empty list if the replica finds no message", async () => {
    expect(await outcomeOf(message({}, "", 404))).toEqual([])
    expect(await outcomeOf(end(0))).toEqual([])
  })

  it.each([
    ["first", [value("b", 7, 3), end(7)]],
    ["middle", [value("a", 3, 0), value("c", 8, 7), end(8)]],
    ["last", [value("a", 3, 0), end(7)]],
    ["only", [end(7)]]
  ])("a read has an unknown outcome if its %s message is missing", async (_which, answered) => {
    expect(await outcomeOf(...answered)).toMatchObject({ value: { _tag: "OutcomeUnknown" } })
  })

  it.each([408, 413, 500])("a read fails if the broker answers %i", async (code) => {
    expect(await outcomeOf(message({}, "", code))).toMatchObject({ value: { _tag: "BrokerRefused", code } })
  })
})

describe("A read of a replica at a sequence", () => {
  const outcomeAt = (answer: Msg) =>
    Effect.runPromise(
      Effect.exit(
        readReplicaAt(
          {
            request: ({ subject, payload }) => {
              expect({ subject, payload }).toEqual({ subject: "$JS.API.DIRECT.GET.KV_journal", payload: '{"seq":7}' })
              return Effect.succeed(answer)
            }
          },
          "KV_journal",
          7
        )
      )
    ).then((exit) => (Exit.isSuccess(exit) ? exit.value : Exit.findErrorOption(exit)))

  it("a read at a sequence returns the message", async () => {
    expect(await outcomeAt(value("a", 7, 0))).toEqual({
      subject: "a",
      sequence: 7,
      storedAt: Date.parse("2026-11-28T08:00:00Z"),
      text: "value 7"
    })
  })

  it("a read at a sequence returns the exact bytes of a payload, and undefined for a missing message", async () => {
    const bytes = Uint8Array.from([0x00, 0xff, 0xfe, 0x7d])
    const payloadOf = (answer: Msg) =>
      Effect.runPromise(readReplicaPayload({ request: () => Effect.succeed(answer) }, "KV_heads", 7))
    expect(await payloadOf({ ...message({ "Nats-Sequence": 7 }), data: bytes } as Msg)).toEqual(bytes)
    expect(await payloadOf(message({}, "", 404))).toBeUndefined()
  })

  it("a read at a sequence returns undefined for a missing message, and fails with any other status", async () => {
    expect(await outcomeAt(message({}, "", 404))).toBeUndefined()
    expect(await outcomeAt(message({}, "", 408))).toMatchObject({ value: { _tag: "BrokerRefused", code: 408 } })
  })
})
