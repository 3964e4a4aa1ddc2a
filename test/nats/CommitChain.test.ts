import { startedBeforeAll } from "../support/StartedBefore.ts"
import { Effect, Exit, Layer, ManagedRuntime } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { failureOf } from "../../src/runtime/ExitFailure.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { Connection } from "../../src/nats/client/Connection.ts"
import { HeadStore } from "../../src/nats/HeadStore.ts"
import { testKeyFile } from "../../src/harness/system/TestKeys.ts"
import { setUpStreams, testSettings } from "../../src/harness/system/TestLedger.ts"
import { TestBroker } from "../../src/harness/system/TestBroker.ts"

const manyReads = 200

describe("the journal and the heads on a broker", () => {
  const broker = startedBeforeAll(() => TestBroker.start())
  let runtime: ManagedRuntime.ManagedRuntime<CommitChain | HeadStore, unknown>

  beforeAll(async () => {
    await setUpStreams(testSettings({ NATS_URL: broker.url }))
    runtime = ManagedRuntime.make(
      Layer.mergeAll(CommitChain.layer, HeadStore.layer).pipe(
        Layer.provide(Connection.layer({ url: broker.url, name: "test", role: "admin", files: { nkey: testKeyFile } }))
      )
    )
  })

  afterAll(async () => {
    await runtime.dispose()
  })

  /** Returns the result of an effect, or its failure. */
  const outcome = async <A, E>(effect: Effect.Effect<A, E, CommitChain | HeadStore>): Promise<A | E> => {
    const exit = await runtime.runPromiseExit(effect)
    if (Exit.isSuccess(exit)) return exit.value
    const failure = failureOf(exit)
    if (failure === undefined) throw new Error(`it died: ${JSON.stringify(exit)}`)
    return failure as E
  }
  const chain = <A, E>(use: (chain: (typeof CommitChain)["Service"]) => Effect.Effect<A, E>) =>
    outcome(Effect.flatMap(CommitChain, use))
  const heads = <A, E>(use: (heads: (typeof HeadStore)["Service"]) => Effect.Effect<A, E>) =>
    outcome(Effect.flatMap(HeadStore, use))
  const append = async (partition: number, commit: string, after: number) =>
    Number(await chain((one) => one.append(partition, commit, after)))

  it("a commit is appended only behind the newest commit of its partition", async () => {
    expect(await chain((one) => one.newest(0))).toBeUndefined()
    const first = await append(0, "first", 0)
    const other = await append(1, "other", 0)
    const second = await append(0, "second", first)
    expect(await chain((one) => one.newest(0))).toMatchObject({ sequence: second, text: "second" })
    for (const after of [0, first, other, second + 1]) {
      expect(await chain((one) => one.append(0, "wrong", after))).toMatchObject({ _tag: "CommitConflict" })
    }
    expect(await chain((one) => one.newest(0))).toMatchObject({ sequence: second })
    expect(await chain((one) => one.next(0, first))).toMatchObject({ sequence: second })
    expect(await chain((one) => one.next(0, second))).toBeUndefined()
  })

  it("a chain is read in pages and in order, without segments and commits of other partitions", async () => {
    const wanted: Array<number> = []
    for (let number = 1; number <= 200; number += 1) {
      wanted.push(await append(2, `commit ${number}`, wanted.at(-1) ?? 0))
      if (number % 10 === 0) await chain((one) => one.seal(2, `segment ${number}`))
    }
    const read: Array<{ readonly sequence: number; readonly text: string }> = []
    for (let from = wanted[4] ?? 0; ;) {
      const page = await chain((one) => one.page(2, from))
      if (!Array.isArray(page) || page.length === 0) break
      read.push(...page)
      from = (read.at(-1)?.sequence ?? 0) + 1
    }
    expect(read.map(({ sequence }) => sequence)).toEqual(wanted.slice(4))
    expect(read.map(({ text }) => text)).toEqual(wanted.slice(4).map((_, index) => `commit ${index + 5}`))
  })

  it("many reads are answered at once, and a sequence without a record gives undefined", async () => {
    const sealed = Number(await chain((one) => one.seal(3, "x".repeat(100_000))))
    const commit = await append(3, "a commit", 0)
    const sequences = Array.from({ length: manyReads }, (_, index) => (index % 2 === 0 ? sealed : commit))
    const found = await chain((one) => Effect.forEach([...sequences, commit + 1], one.at, { concurrency: "unbounded" }))
    if (!Array.isArray(found)) throw found
    const lengths = found.map((record) => record?.text.length)
    expect(lengths).toEqual([...sequences.map((sequence) => (sequence === sealed ? 100_000 : 8)), undefined])
  })

  it("a manifest is replaced by compare-and-set, and only the newest is kept", async () => {
    expect(await heads((store) => store.manifest(0))).toBeUndefined()
    const first = Number(await heads((store) => store.replaceManifest(0, "one", 0)))
    const second = Number(await heads((store) => store.replaceManifest(0, "two", first)))
    for (const at of [0, first]) {
      expect(await heads((store) => store.replaceManifest(0, "late", at))).toMatchObject({ _tag: "CommitConflict" })
    }
    expect(await heads((store) => store.manifest(0))).toEqual({ sequence: second, text: "two" })
  })

  it("chunks are stored as bytes, and the chunks of one partition are removed below a sequence", async () => {
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 256)
    const store = async (partition: number, name: string) =>
      Number(await heads((one) => one.store(partition, name, bytes)))
    const old = await store(4, "hint.1.0")
    const other = await store(5, "hint.1.0")
    const kept = await store(4, "base.2.0")
    await heads((one) => one.removeBelow(4, kept))
    const sizes = await heads((one) => Effect.forEach([old, other, kept], one.at))
    if (!Array.isArray(sizes)) throw sizes
    expect(sizes.map((chunk) => chunk?.byteLength)).toEqual([undefined, bytes.length, bytes.length])
    expect(Buffer.from(sizes[2] ?? []).equals(bytes)).toBe(true)
  })
})
