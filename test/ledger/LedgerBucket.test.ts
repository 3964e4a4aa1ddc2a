import { Effect, Exit, Layer, ManagedRuntime } from "effect"
import { connect } from "nats"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { LedgerBucket, type Write } from "../../src/nats/LedgerBucket.ts"
import { brokerLayer } from "../../src/Roles.ts"
import { TestBroker, until } from "../support/TestBroker.ts"
import { testSettings } from "../support/TestLedger.ts"

describe("LedgerBucket", () => {
  let broker: TestBroker
  let bucket: (typeof LedgerBucket)["Service"]
  let stop: () => Promise<void>

  beforeAll(async () => {
    broker = await TestBroker.start()
    const settings = testSettings({ NATS_URL: broker.url })
    const runtime = ManagedRuntime.make(brokerLayer(settings, "test").pipe(Layer.orDie))
    bucket = await runtime.runPromise(Effect.service(LedgerBucket))
    stop = () => runtime.dispose()
  })

  afterAll(async () => {
    await stop()
    await broker.stop()
  })

  const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(effect)
  const commit = async (...writes: ReadonlyArray<Write>) => {
    const exit = await Effect.runPromiseExit(bucket.commit(writes))
    return Exit.isSuccess(exit) ? exit.value : Exit.findErrorOption(exit)
  }
  const conflict = { _tag: "Some", value: { _tag: "CommitConflict" } }
  const valueOf = async (key: string) => (await run(bucket.latest(key)))?.value

  it("writes a batch whole, and answers the sequence of its first write", async () => {
    const owner = await run(bucket.put("owner.1", "me"))
    const first = await commit(
      { key: "account.a", value: "a1", expected: 0 },
      { key: "account.b", value: "b1", expected: 0 },
      { key: "position.1", value: "p1", guard: { key: "owner.1", revision: owner } }
    )
    expect(first).toBe(owner + 1)
    expect(await run(bucket.at(owner + 1))).toMatchObject({ key: "account.a", value: "a1", sequence: owner + 1 })
    expect(await run(bucket.at(owner + 2))).toMatchObject({ key: "account.b", value: "b1" })
    expect(await run(bucket.latest("position.1"))).toMatchObject({ value: "p1", sequence: owner + 3 })
  })

  it("writes nothing of a batch of which one expected revision does not hold", async () => {
    const sequence = await run(bucket.put("account.c", "c1"))
    for (const expected of [0, sequence - 1, sequence + 1]) {
      expect(await commit({ key: "free", value: "x" }, { key: "account.c", value: "c2", expected })).toMatchObject(
        conflict
      )
      expect(await commit({ key: "account.c", value: "c2", expected }, { key: "free", value: "x" })).toMatchObject(
        conflict
      )
    }
    expect([await valueOf("account.c"), await valueOf("free")]).toEqual(["c1", undefined])
    expect(await commit({ key: "account.c", value: "c2", expected: sequence })).toBe(sequence + 1)
  })

  it("writes nothing of a batch whose guard does not hold, though its revisions do", async () => {
    const before = await run(bucket.put("owner.2", "one"))
    const position = (revision: number) => ({ key: "position.2", value: "p", guard: { key: "owner.2", revision } })
    const account = { key: "account.d", value: "d1", expected: 0 }
    const now = await run(bucket.put("owner.2", "two"))
    expect(await commit(account, position(before))).toMatchObject(conflict)
    expect([await valueOf("account.d"), await valueOf("position.2")]).toEqual([undefined, undefined])
    expect(await commit(account, position(now))).toBe(now + 1)
  })

  it("of two batches that expect the same revision lets one through", async () => {
    const sequence = await run(bucket.put("account.e", "e1"))
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, index) => commit({ key: "account.e", value: `by ${index}`, expected: sequence }))
    )
    expect(outcomes.filter((outcome) => typeof outcome === "number")).toEqual([sequence + 1])
    expect(outcomes.filter((outcome) => typeof outcome !== "number")).toHaveLength(9)
  })

  it("asks a replica for many keys in one request, and the leader for one key", async () => {
    await run(bucket.put("owner.4", "me"))
    await commit(...["x", "y", "z"].map((key) => ({ key, value: key })))
    const client = await connect({ servers: broker.url })
    const asked: Array<string> = []
    client.subscribe("$JS.API.>", { callback: (_error, { subject }) => void asked.push(subject) })
    await client.flush()
    const keys = ["x", "y", "z", "none"]
    const found = await run(Effect.forEach(keys, bucket.latestTold, { concurrency: "unbounded" }))
    expect(found.map((value) => value?.value)).toEqual(["x", "y", "z", undefined])
    expect((await run(bucket.latestTold("x")))?.value).toBe("x")
    await until("both are heard", () => asked.length >= 2)
    await client.flush()
    expect(asked).toEqual(["$JS.API.DIRECT.GET.KV_ledger", "$JS.API.STREAM.MSG.GET.KV_ledger"])
    await client.close()
  })

  it("forgets the history of one key alone", async () => {
    const last = [await run(bucket.put("owner.3", "a")), await run(bucket.put("owner.3", "b"))][1] ?? 0
    const other = await run(bucket.put("owner.30", "c"))
    await run(bucket.forgetHistory("owner.3"))
    expect(await run(bucket.at(last - 1))).toBeUndefined()
    expect(await run(bucket.at(last))).toMatchObject({ value: "b" })
    expect(await run(bucket.at(other))).toMatchObject({ value: "c" })
  })
})
