import { expect, it } from "vitest"
import type { Rejection } from "../../src/protocol/Rejection.ts"
import type { PurchaseId, UserId } from "../../src/account/Identifier.ts"
import type { Purchase } from "../../src/account/Purchase.ts"
import type { Replay } from "../../src/protocol/Replay.ts"
import type { StoredReplay } from "../../src/nats/RejectedRecords.ts"
import { onBoth, usual } from "./OnBoth.ts"

const purchase: Purchase = {
  purchaseId: "p1" as PurchaseId,
  userId: "ann" as UserId,
  productName: "Laptop",
  productType: "Electronics",
  valueCents: 100n,
  quantity: 1
}

onBoth("a record of rejected input", usual, ({ chain, rejected }) => {
  const rejection = (inputSequence: number, reason = "no JSON", index = 0): Rejection => ({
    reason,
    payload: "{",
    encoding: "text",
    inputSequence,
    index
  })
  const record = (...about: Parameters<typeof rejection>) => rejected((real) => real.record(rejection(...about)))
  const find = (inputSequence: number, index = 0) => rejected((real) => real.find({ inputSequence, index }))

  it("a second write of the same rejected record succeeds, and changes nothing", async () => {
    expect(await find(10)).toBeUndefined()
    expect(await record(10)).toBeUndefined()
    const first = await find(10)
    expect(first).toMatchObject(rejection(10))
    expect(await record(10, "for another reason")).toBeUndefined()
    expect(await find(10)).toEqual(first)
    expect(await find(10, 1)).toBeUndefined()
  })

  it("a rejected record does not move the end of a chain", async () => {
    const commit = Number(await chain((real) => real.append(0, "a commit", 0)))
    await record(20)
    expect(await chain((real) => real.append(0, "the next", commit))).toBe(commit + 2)
  })

  it("the first page has the newest rejected records, and the next page has the records before them", async () => {
    for (const inputSequence of [30, 31, 32]) await record(inputSequence)
    const inputs = (page: object) =>
      "records" in page ? (page.records as ReadonlyArray<Rejection>).map(({ inputSequence }) => inputSequence) : page
    const first = await rejected((real) => real.page(2))
    expect(inputs(first)).toEqual([32, 31])
    const below = "next" in first ? first.next : undefined
    const second = await rejected((real) => real.page(2, below))
    expect(inputs(second)).toEqual([30, 20])
    const all = await rejected((real) => real.page(100))
    expect(inputs(all)).toEqual([32, 31, 30, 20, 10])
    expect(all).not.toHaveProperty("next")
  })

  it("a step of a rejected record's replay is stored only behind the step that it expects", async () => {
    const place = { inputSequence: 40, index: 1 }
    const step = (state: Replay["state"], after: number) =>
      rejected((real) => real.step(place, { state, purchase }, after))
    expect(await rejected((real) => real.replay(place))).toBeUndefined()
    expect(await step("begun", 0)).toBeUndefined()
    expect(await step("stored", 0)).toMatchObject({ _tag: "CommitConflict" })
    const newest = (await rejected((real) => real.replay(place))) as StoredReplay
    expect(await step("stored", newest.sequence)).toBeUndefined()
    const trail = (await rejected((real) => real.trail(place))) as ReadonlyArray<StoredReplay>
    expect(trail).toHaveLength(2)
    expect(trail[0]).toEqual(newest)
    expect(trail[1]).toEqual(await rejected((real) => real.replay(place)))
    expect(await rejected((real) => real.trail({ inputSequence: 4, index: 0 }))).toEqual([])
  })
})
