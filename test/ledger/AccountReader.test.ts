import { Deferred, Effect, Layer, ManagedRuntime } from "effect"
import { describe, expect, it } from "vitest"
import { encodeRevision, encodeSegment, type Revision } from "../../src/domain/Revision.ts"
import { AccountReader, revisionReadsMax } from "../../src/ledger/AccountReader.ts"
import { LedgerBucket, type LedgerValue } from "../../src/nats/LedgerBucket.ts"
import { until } from "../support/TestBroker.ts"

const makeReader = (bucket: Partial<(typeof LedgerBucket)["Service"]>) =>
  ManagedRuntime.make(AccountReader.layer.pipe(Layer.provide(Layer.mock(LedgerBucket, bucket))))

const stored = (key: string, value: string): LedgerValue => ({ key, value, sequence: 9, storedAt: 0 })

const applied = {
  productName: "Desk",
  productType: "Office",
  valueCents: 100n,
  quantity: 1,
  inputSequence: 4,
  inputIndex: 0,
  storedAt: 0
}
const revision: Revision = {
  total: 300n,
  count: 3,
  decidedThrough: 4,
  purchases: [{ purchaseId: "c", ...applied }],
  repeats: new Map(),
  previous: [],
  segments: 2,
  unsealed: 1
}
const segmentOf = (...ids: ReadonlyArray<string>) =>
  encodeSegment({
    entries: ids.map((purchaseId) => ({ purchaseId, revision: 5, fingerprint: 1 })),
    repeats: new Map([["a", { repeats: 1, conflicts: 0 }]])
  })

describe("AccountReader", () => {
  it("has a bounded number of reads of revisions under way, however many accounts are loaded", async () => {
    let open = 0
    let most = 0
    const answers: Array<Deferred.Deferred<void>> = []
    const before = encodeRevision({ ...revision, count: 1, segments: 0 })
    const newest = encodeRevision({ ...revision, count: 1, segments: 0, purchases: [], previous: [8], unsealed: 2 })
    const runtime = makeReader({
      latestTold: (key) => Effect.succeed(stored(key, newest)),
      at: () =>
        Effect.gen(function* () {
          open += 1
          most = Math.max(most, open)
          const answer = Deferred.makeUnsafe<void>()
          answers.push(answer)
          yield* Deferred.await(answer)
          open -= 1
          return stored("account.ann", before)
        })
    })
    const reader = await runtime.runPromise(Effect.service(AccountReader))
    const accounts = 3 * revisionReadsMax
    const loads = Promise.all(Array.from({ length: accounts }, () => Effect.runPromise(reader.load("ann"))))
    for (let answered = 0; answered < accounts; answered += 1) {
      await until("a read is under way", () => answers.length > answered)
      Deferred.doneUnsafe(answers[answered] as Deferred.Deferred<void>, Effect.void)
    }
    expect((await loads).every(({ count }) => count === 1)).toBe(true)
    expect(most).toBe(revisionReadsMax)
    await runtime.dispose()
  })

  const load = async (values: Record<string, string>) => {
    const runtime = makeReader({
      latestTold: (key) => Effect.succeed(values[key] === undefined ? undefined : stored(key, values[key]))
    })
    const reader = await runtime.runPromise(Effect.service(AccountReader))
    const exit = await Effect.runPromise(Effect.result(reader.load("ann")))
    await runtime.dispose()
    return exit
  }

  it("reads an account with what its revision names", async () => {
    const newest = encodeRevision(revision)
    const whole = await load({ "account.ann": newest, "seen.ann.1": segmentOf("a"), "seen.ann.2": segmentOf("b") })
    if (whole._tag !== "Success") throw whole.failure
    const { total, count, seen, segments } = whole.success
    expect({ total, count, segments, ids: [...seen.ids()].sort() }).toEqual({
      total: 300n,
      count: 3,
      segments: 2,
      ids: ["a", "b", "c"]
    })
    expect(seen.get("a")).toEqual({ revision: 5, fingerprint: 1, repeats: 2, conflicts: 0 })
  })

  it("refuses an account of which a segment or an id is missing: it would take a repeat for a new purchase", async () => {
    const newest = encodeRevision(revision)
    const missing = await load({ "account.ann": newest, "seen.ann.1": segmentOf("a") })
    expect(missing).toMatchObject({ failure: { problem: "account ann: segment 2 is missing" } })
    const short = await load({ "account.ann": newest, "seen.ann.1": segmentOf("a"), "seen.ann.2": segmentOf() })
    expect(short).toMatchObject({ failure: { problem: "account ann: 2 ids of 3 purchases are there" } })
  })
})
