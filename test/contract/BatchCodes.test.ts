import { connect, headers, type NatsConnection } from "nats"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { TestBroker } from "../support/TestBroker.ts"

interface Member {
  readonly subject: string
  readonly fields?: Readonly<Record<string, string>>
}

/** What our services never send, or send and never get on one broker: the codes by which it says what is wrong. */
describe("The real server's codes for an atomic batch", () => {
  let broker: TestBroker
  let client: NatsConnection
  let batches = 0

  beforeAll(async () => {
    broker = await TestBroker.start()
    client = await connect({ servers: broker.url })
    const create = (name: string, config: object) =>
      client.request(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify({ name, subjects: [`${name}.>`], ...config }))
    await create("atomic", { allow_atomic: true, allow_rollup_hdrs: true })
    await create("plain", {})
  })

  afterAll(async () => {
    await client.close()
    await broker.stop()
  })

  const headersOf = (fields: Readonly<Record<string, string>>) => {
    const written = headers()
    for (const [name, value] of Object.entries(fields)) written.set(name, value)
    return written
  }

  const answerOf = async (subject: string, fields: Readonly<Record<string, string>>) =>
    (await client.request(subject, "x", { headers: headersOf(fields), timeout: 5_000 })).json<{
      readonly seq: number
      readonly count?: number
      readonly error?: { readonly err_code: number }
    }>()

  const publish = async (members: ReadonlyArray<Member>, id?: string) => {
    batches += 1
    const fields = members.map((member, index) => ({
      "Nats-Batch-Id": id ?? `batch-${batches}`,
      "Nats-Batch-Sequence": String(index + 1),
      ...(index === members.length - 1 ? { "Nats-Batch-Commit": "1" } : {}),
      ...member.fields
    }))
    for (const [index, { subject }] of members.slice(0, -1).entries()) {
      client.publish(subject, "x", { headers: headersOf(fields[index] ?? {}) })
    }
    const answer = await answerOf(members.at(-1)?.subject ?? "", fields.at(-1) ?? {})
    return answer.error?.err_code ?? answer.count
  }

  const a: Member = { subject: "atomic.a" }
  const with_ = (fields: Readonly<Record<string, string>>): Member => ({ subject: "atomic.b", fields })

  it("none for what is right, also with a rollup", async () => {
    expect(await publish([a, with_({})])).toBe(2)
    expect(await publish([a, with_({ "Nats-Rollup": "sub" })])).toBe(2)
  })

  it("10201 for a message id that it has seen, and nothing of the batch is stored", async () => {
    const { seq } = await answerOf("atomic.id", { "Nats-Msg-Id": "seen" })
    expect(await publish([a, with_({ "Nats-Msg-Id": "seen" })])).toBe(10_201)
    expect((await answerOf("atomic.id", {})).seq).toBe(seq + 1)
  })

  it.each([
    ["10071 for a revision that is not the last", [a, with_({ "Nats-Expected-Last-Subject-Sequence": "1" })], 10_071],
    ["10174 for a stream without atomic batches", [{ subject: "plain.a" }, { subject: "plain.b" }], 10_174],
    ["10176 for a gap in a batch", [a, with_({ "Nats-Batch-Sequence": "3" })], 10_176],
    ["10177 for an expectation that a batch cannot have", [a, with_({ "Nats-Expected-Last-Msg-Id": "x" })], 10_177],
    ["10179 for too long an id", [with_({ "Nats-Batch-Id": "x".repeat(65) })], 10_179],
    ["10200 for an end that is none", [a, with_({ "Nats-Batch-Commit": "x" })], 10_200]
  ] as const)("%s", async (_name, members, code) => {
    expect(await publish(members)).toBe(code)
  })

  it("10175 for a member without its number", async () => {
    expect((await answerOf("atomic.a", { "Nats-Batch-Id": "x", "Nats-Batch-Commit": "1" })).error?.err_code).toBe(
      10_175
    )
  })

  it("10210 for too many batches that are begun at once", async () => {
    let code: number | undefined
    for (let begun = 0; begun < 60 && code === undefined; begun += 1) {
      const fields = { "Nats-Batch-Id": `begun-${begun}`, "Nats-Batch-Sequence": "1" }
      const reply = await client.request("atomic.a", "x", { headers: headersOf(fields), timeout: 5_000 })
      if (reply.data.length > 0) code = reply.json<{ readonly error: { readonly err_code: number } }>().error.err_code
    }
    expect(code).toBe(10_210)
  })
})
