import { Effect, Layer, ManagedRuntime } from "effect"
import type { NatsConnection } from "nats"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { seeded } from "../../src/harness/system/Random.ts"
import { TestBroker } from "../../src/harness/system/TestBroker.ts"
import { connectAs, testKeyFile } from "../../src/harness/system/TestKeys.ts"
import { setUpStreams, testSettings } from "../../src/harness/system/TestLedger.ts"
import { Connection } from "../../src/nats/client/Connection.ts"
import { JudgeReader } from "../../src/nats/JudgeReader.ts"
import { type RulesValue, takeRulesAsOf } from "../../src/nats/RulesAsOf.ts"
import { commitSubject, rulesSubject } from "../../src/protocol/Subject.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"

describe("The journal as a judge reads it", () => {
  const broker = startedBeforeAll(() => TestBroker.start())
  let client: NatsConnection
  let runtime: ManagedRuntime.ManagedRuntime<JudgeReader, unknown>
  /** The stored values of rules, each with its owner and its sequence. */
  const written: Array<RulesValue> = []
  const commits: Array<number> = []

  beforeAll(async () => {
    await setUpStreams(testSettings({ NATS_URL: broker.url }))
    client = await connectAs("admin", broker.url)
    runtime = ManagedRuntime.make(
      JudgeReader.layer.pipe(
        Layer.provide(Connection.layer({ url: broker.url, name: "test", role: "judge", files: { nkey: testKeyFile } }))
      )
    )
    const random = seeded(7)
    const journal = await client.jetstream()
    for (let event = 0; event < 1_500; event += 1) {
      if (random() < 0.2) {
        commits.push((await journal.publish(commitSubject(0), `commit ${event}`)).seq)
        continue
      }
      const ownerToken = `owner-${Math.floor(random() * 700)}`
      const text = `rules ${event}`
      written.push({ ownerToken, text, sequence: (await journal.publish(rulesSubject(ownerToken), text)).seq })
    }
  })
  afterAll(async () => {
    await runtime.dispose()
    await client.close()
  })

  const rulesAsOf = async (through: number) => {
    const found = new Map<string, RulesValue>()
    await runtime.runPromise(
      Effect.flatMap(JudgeReader, (reader) =>
        reader.rulesAsOf(through, (value) => void found.set(value.ownerToken, value))
      )
    )
    return found
  }

  it.each([0, 1, 2, 100, 777, 1_400, 1_499, 1_500, 1_000_000])(
    "the rules as of the sequence %i are the rules that each user had at that sequence",
    async (through) => {
      const expected = new Map<string, RulesValue>()
      for (const value of written) if (value.sequence <= through) expected.set(value.ownerToken, value)
      expect(await rulesAsOf(through)).toEqual(expected)
    }
  )

  it("a judge reads each commit and each change of rules behind a sequence once and in order", async () => {
    const all = [...written.map(({ sequence }) => sequence), ...commits].toSorted((one, other) => one - other)
    const found = await runtime.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const reading = yield* Effect.flatMap(JudgeReader, ({ read }) => read(300))
          const sequences: Array<number> = []
          while (sequences.at(-1) !== all.at(-1)) {
            sequences.push(...(yield* reading.take).map(({ sequence }) => sequence))
          }
          return sequences
        })
      )
    )
    expect(found).toEqual(all.filter((sequence) => sequence > 300))
  })

  it("the first stored rules and the next commit are found, and there is no next commit at the end", async () => {
    const found = await runtime.runPromise(
      Effect.flatMap(JudgeReader, ({ firstRules, firstCommitAfter }) =>
        Effect.all([firstRules, firstCommitAfter(commits[3] ?? 0), firstCommitAfter(1_000_000)])
      )
    )
    expect(found).toEqual([written[0]?.sequence, expect.objectContaining({ sequence: commits[4] }), undefined])
  })

  it("a judge's read of the journal ends if the consumer of the read is deleted", async () => {
    const ended = await runtime.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const reading = yield* Effect.flatMap(JudgeReader, ({ read }) => read(1_500))
          yield* Effect.promise(async () => {
            const manager = await client.jetstreamManager()
            for (const name of await manager.consumers.list("KV_journal").next()) {
              await manager.consumers.delete("KV_journal", name.name)
            }
          })
          return yield* Effect.flip(reading.take)
        })
      )
    )
    expect(ended.message).toBe("the reading of the journal ended: the consumer is gone: consumer deleted")
  })
})

/** The number of messages of one pull request, which the values of so many keys fill. */
const keysOfRequest = 256

describe("The rules as a judge reads them when it begins", () => {
  const broker = startedBeforeAll(() => TestBroker.start())

  /** Writes values of rules one after another, and returns their sequences. */
  const writing = async <A>(
    run: (write: (owner: string, text: string) => Promise<number>) => Promise<A>
  ): Promise<A> => {
    const client = await connectAs("admin", broker.url)
    const journal = client.jetstream()
    try {
      return await run(async (owner, text) => (await journal.publish(rulesSubject(owner), text)).seq)
    } finally {
      await client.close()
    }
  }

  it("a judge gets the earlier rules of a user who changes rules while the judge creates its consumer", async () => {
    await setUpStreams(testSettings({ NATS_URL: broker.url }))
    const through = await writing(async (write) => {
      await write("racer", "before")
      let last = 0
      for (let key = 0; key < keysOfRequest; key += 1) last = await write(`owner-${key}`, "rules")
      return last
    })
    const found = new Map<string, string>()
    const change = Effect.promise(() => writing((write) => write("racer", "after")))
    const begins = Effect.gen(function* () {
      const connection = yield* Connection
      const request: typeof connection.request = (asked) =>
        asked.subject.includes("CONSUMER.CREATE")
          ? Effect.andThen(change, connection.request(asked))
          : connection.request(asked)
      yield* takeRulesAsOf(
        { ...connection, request },
        through,
        ({ ownerToken, text }) => void found.set(ownerToken, text)
      )
    })
    await Effect.runPromise(
      Effect.scoped(begins).pipe(
        Effect.provide(Connection.layer({ url: broker.url, name: "test", role: "judge", files: { nkey: testKeyFile } }))
      )
    )
    expect(found.size).toBe(keysOfRequest + 1)
    expect(found.get("racer")).toBe("before")
  })
})
