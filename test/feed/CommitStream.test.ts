import { Effect, Exit, Fiber, Layer, ManagedRuntime, References } from "effect"
import { connect, type NatsConnection } from "nats"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { ledgerStream } from "../../src/domain/Subject.ts"
import { LedgerBucket } from "../../src/nats/LedgerBucket.ts"
import { LedgerReplaced, LedgerStream, pageRevisionsMax, type RevisionMessage } from "../../src/nats/LedgerStream.ts"
import { brokerLayer } from "../../src/Roles.ts"
import { BrokerAdmin } from "../support/BrokerAdmin.ts"
import { TestBroker, until } from "../support/TestBroker.ts"
import { testSettings } from "../support/TestLedger.ts"

const partitions = 2

describe("The ledger's stream", () => {
  let broker: TestBroker
  let admin: BrokerAdmin
  const closers: Array<() => Promise<void>> = []

  beforeEach(async () => {
    broker = await TestBroker.start()
    admin = await BrokerAdmin.open(broker.url, partitions)
  })
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close()
    await admin.close()
    await broker.stop()
  })

  const start = async (environment: Record<string, string> = {}) => {
    const settings = testSettings({ NATS_URL: broker.url, PARTITIONS: String(partitions), ...environment })
    const runtime = ManagedRuntime.make(brokerLayer(settings, "test").pipe(Layer.orDie))
    closers.push(() => runtime.dispose())
    return {
      stream: await runtime.runPromise(Effect.service(LedgerStream)),
      bucket: await runtime.runPromise(Effect.service(LedgerBucket))
    }
  }
  type Started = Awaited<ReturnType<typeof start>>

  const commit = ({ bucket }: Started, users: ReadonlyArray<string>, value = "x") =>
    Effect.runPromiseExit(bucket.commit(users.map((user) => ({ key: `account.${user}`, value }))))

  const follow = ({ stream }: Started, after: number) => {
    const heard: Array<RevisionMessage> = []
    const following = stream.follow(after, (revision) => void heard.push(revision))
    const fiber = Effect.runFork(Effect.provideService(following, References.MinimumLogLevel, "Error"))
    closers.push(() => Effect.runPromise(Fiber.interrupt(fiber)))
    return { heard, fiber, sequences: () => heard.map(({ sequence }) => sequence) }
  }

  const consumers = async () =>
    (await admin.api<{ readonly consumers: ReadonlyArray<{ readonly name: string }> }>(`CONSUMER.LIST.${ledgerStream}`))
      ?.consumers ?? []

  it("is followed from a sequence on: what batches committed, in order, and nothing of those that were refused", async () => {
    const started = await start()
    await commit(started, ["ann", "bob"], "first")
    const { heard } = follow(started, 1)
    const refused = await Effect.runPromiseExit(
      started.bucket.commit([
        { key: "account.carl", value: "refused" },
        { key: "account.ann", value: "refused", expected: 0 }
      ])
    )
    expect(Exit.isFailure(refused)).toBe(true)
    await Effect.runPromise(started.bucket.put("position.0", "no revision"))
    await commit(started, ["ann", "dora=2E"], "second")
    await until("all is heard", () => heard.length === 3)
    expect(heard.map(({ userToken, sequence, text }) => [userToken, sequence, text])).toEqual([
      ["bob", 2, "first"],
      ["ann", 4, "second"],
      ["dora=2E", 5, "second"]
    ])
    const stored = await admin.api<{ readonly message: { readonly time: string } }>(`STREAM.MSG.GET.${ledgerStream}`, {
      seq: 5
    })
    expect(heard[2]?.storedAt).toBe(Date.parse(stored?.message.time ?? ""))
  })

  it("is followed on without a gap or a repeat when the broker forgot the consumer, or went away", async () => {
    const started = await start()
    const following = follow(started, 0)
    await commit(started, ["ann"])
    await until("the first is heard", () => following.heard.length === 1)
    const [consumer] = await consumers()
    await admin.api(`CONSUMER.DELETE.${ledgerStream}.${consumer?.name}`)
    await commit(started, ["ann", "bob"])
    await until("there is another consumer", async () => (await consumers()).length === 1)
    await until("what came meanwhile is heard", () => following.heard.length === 3)
    await broker.kill()
    await broker.run()
    await until("the broker is there again", async () => Exit.isSuccess(await commit(started, ["carl"])))
    await until("all is heard", () => following.heard.length === 4)
    expect(following.sequences()).toEqual([1, 2, 3, 4])
  })

  it("is followed to its end when another ledger took its place", async () => {
    const started = await start()
    await commit(started, ["ann", "bob"])
    const following = follow(started, 0)
    await until("both are heard", () => following.heard.length === 2)
    await admin.api(`STREAM.DELETE.${ledgerStream}`)
    await start()
    expect(await Effect.runPromise(Effect.flip(Fiber.join(following.fiber)))).toEqual(
      new LedgerReplaced({ reached: 2, last: 0 })
    )
  })

  it("is read in pages of one user or of all, which are never longer than they may be", async () => {
    const started = await start()
    const { stream } = started
    const page = (after: number, user?: string) =>
      Effect.runPromise(Effect.map(stream.page(after, user), (found) => found.map(({ sequence }) => sequence)))
    expect(await page(0)).toEqual([])
    for (let batch = 0; batch < 3; batch += 1) {
      await commit(
        started,
        Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? "ann" : "bob"))
      )
    }
    const numbers = (first: number, count: number, step: number) =>
      Array.from({ length: count }, (_, index) => first + step * index)
    expect(await page(0)).toEqual(numbers(1, pageRevisionsMax, 1))
    expect(await page(250)).toEqual(numbers(251, 50, 1))
    expect(await page(0, "ann")).toEqual(numbers(1, pageRevisionsMax, 2))
    expect(await page(250, "bob")).toEqual(numbers(252, 25, 2))
    expect(await page(300)).toEqual([])
    expect(await page(0, "carl")).toEqual([])
    expect(await Effect.runPromise(stream.lastSequence)).toBe(300)
    // Large ones: one at least, and not many.
    await commit(started, ["eve", "eve", "eve", "eve"], "x".repeat(40_000))
    expect(await page(0, "eve")).toEqual([301, 302])
    expect(await page(302, "eve")).toEqual([303, 304])
    const [first] = await Effect.runPromise(stream.page(302, "eve"))
    expect([first?.userToken, first?.text.length]).toEqual(["eve", 40_000])
  })

  it("is repeated by the broker on feed.<user> when it was told to, also where the stream was there before", async () => {
    const before = await start()
    await commit(before, ["ann"], "not repeated")
    const told = await start({ FEED_SUBJECTS: "true" })
    // Nobody takes it away who does not ask for it.
    await start()
    const client: NatsConnection = await connect({ servers: broker.url })
    closers.push(() => client.close())
    const got: Array<ReadonlyArray<string | undefined>> = []
    client.subscribe("feed.>", {
      callback: (_error, message) => {
        const [sequence, last] = ["Nats-Sequence", "Nats-Last-Sequence"].map((name) => message.headers?.get(name))
        got.push([message.subject, message.string(), sequence, last])
      }
    })
    await client.flush()
    await Effect.runPromiseExit(told.bucket.commit([{ key: "account.ann", value: "refused", expected: 0 }]))
    await commit(told, ["ann", "b=2Eob"], "repeated")
    await Effect.runPromise(told.bucket.put("position.0", "no revision"))
    await commit(told, ["ann"], "repeated")
    await until("all is repeated", () => got.length === 3)
    expect(got).toEqual([
      ["feed.ann", "repeated", "2", "1"],
      ["feed.b=2Eob", "repeated", "3", "0"],
      ["feed.ann", "repeated", "5", "2"]
    ])
  })
})
