import { Effect } from "effect"
import { expect, it } from "vitest"
import type { Write } from "../../src/nats/LedgerBucket.ts"
import { onBoth, usual } from "./OnBoth.ts"

onBoth("the ledger bucket", usual, ({ bucket }) => {
  const commit = (...writes: ReadonlyArray<Write>) => bucket((ledger) => ledger.commit(writes))
  const put = async (key: string, value = "v") => Number(await bucket((ledger) => ledger.put(key, value)))
  const valueOf = async (key: string) => {
    const found = await bucket((ledger) => ledger.latest(key))
    return found === undefined || !("value" in found) ? found : found.value
  }
  const conflict = { _tag: "CommitConflict" }

  it("numbers writes, and finds a key's newest value and what is at a number", async () => {
    expect(await valueOf("none")).toBeUndefined()
    const first = await put("a", "a1")
    const second = await put("a", "a2")
    expect(second).toBe(first + 1)
    expect(await bucket((ledger) => ledger.latest("a"))).toMatchObject({ key: "a", value: "a2", sequence: second })
    expect(await bucket((ledger) => ledger.at(first))).toMatchObject({ key: "a", value: "a1", sequence: first })
    expect(await bucket((ledger) => ledger.at(second + 1))).toBeUndefined()
  })

  it("writes a batch one by one, and answers the number of its first", async () => {
    const before = await put("b")
    expect(await commit({ key: "b1", value: "1" }, { key: "b2", value: "2", expected: 0 })).toBe(before + 1)
    expect(await bucket((ledger) => ledger.at(before + 2))).toMatchObject({ key: "b2", value: "2" })
    expect(await commit({ key: "b3", value: "3" })).toBe(before + 3)
  })

  it("writes nothing where one expected revision does not hold", async () => {
    const revision = await put("c", "c1")
    for (const expected of [0, revision - 1, revision + 1]) {
      const wrong = { key: "c", value: "c2", expected }
      expect(await commit(wrong)).toMatchObject(conflict)
      expect(await commit({ key: "c-free", value: "x" }, wrong)).toMatchObject(conflict)
      expect(await commit(wrong, { key: "c-free", value: "x" })).toMatchObject(conflict)
    }
    expect(await commit({ key: "c-none", value: "x", expected: 1 })).toMatchObject(conflict)
    expect([await valueOf("c"), await valueOf("c-free"), await valueOf("c-none")]).toEqual(["c1", undefined, undefined])
    expect(await commit({ key: "c", value: "c2", expected: revision })).toBe(revision + 1)
  })

  it("holds a guard on a key that the batch does not write", async () => {
    const owner = await put("owner.d")
    const guarded = (revision: number, key = "owner.d") =>
      commit({ key: "d", value: "1" }, { key: "position.d", value: "1", guard: { key, revision } })
    expect(await guarded(owner)).toBe(owner + 1)
    for (const revision of [0, owner - 1, owner + 1]) expect(await guarded(revision)).toMatchObject(conflict)
    expect(await guarded(0, "owner.none")).toBe(owner + 3)
    expect(await guarded(1, "owner.none")).toMatchObject(conflict)
    const next = await put("owner.d")
    expect(await guarded(owner)).toMatchObject(conflict)
    expect(await guarded(next)).toBe(next + 1)
  })

  it("takes a key twice in a batch, and a guard of one that it writes, by the same rules", async () => {
    const twice = await commit({ key: "e", value: "1", expected: 0 }, { key: "e", value: "2" })
    expect(await bucket((ledger) => ledger.latest("e"))).toMatchObject({ value: "2", sequence: Number(twice) + 1 })
    const revision = Number(twice) + 1
    expect(
      await commit({ key: "e", value: "3", expected: revision }, { key: "e", value: "4", expected: revision })
    ).toMatchObject(conflict)
    const owner = await put("owner.e")
    const guard = { key: "owner.e", revision: owner }
    expect(await commit({ key: "owner.e", value: "x" }, { key: "e", value: "5", guard })).toMatchObject(conflict)
    expect(await valueOf("e")).toBe("2")
  })

  it("takes 1,000 writes at once and refuses 1,001 whole", async () => {
    const writes = (count: number) => Array.from({ length: count }, (_, index) => ({ key: `f${index}`, value: "x" }))
    expect(await commit(...writes(1_001))).toMatchObject({ _tag: "BrokerRefused", code: 10_199 })
    expect(await valueOf("f0")).toBeUndefined()
    const first = Number(await commit(...writes(1_000)))
    expect(await bucket((ledger) => ledger.at(first + 999))).toMatchObject({ key: "f999" })
  })

  it("reads many keys at once, whatever this process was told of them, those that are not there, and large ones", async () => {
    const read = (keys: ReadonlyArray<string>) =>
      bucket((ledger) => Effect.forEach(keys, ledger.latestTold, { concurrency: "unbounded" }))
    await put("owner.h")
    expect(await read(["h-none", "h-never"])).toEqual([undefined, undefined])
    expect(await read(["owner.h"])).toMatchObject([{ key: "owner.h", value: "v" }])
    // More than one request names, and more than one answer holds.
    const large = "x".repeat(100_000)
    const writes = Array.from({ length: 700 }, (_, index) => ({
      key: `h${index}`,
      value: index < 12 ? large : `${index}`
    }))
    const first = Number(await commit(...writes))
    const keys = writes.flatMap(({ key }) => [key, `${key}-none`])
    const found = await read([...keys, ...keys])
    if (!Array.isArray(found)) throw found
    const wanted = writes.flatMap(({ key, value }, index) => [{ key, value, sequence: first + index }, undefined])
    const plain = found.map((value) => value && { key: value.key, value: value.value, sequence: value.sequence })
    expect(plain).toEqual([...wanted, ...wanted])
  })

  it("forgets the history of a key, and keeps its newest value and everything else", async () => {
    const other = await put("g-other")
    const old = await put("g", "1")
    const newest = await put("g", "2")
    await bucket((ledger) => ledger.forgetHistory("g"))
    expect(await bucket((ledger) => ledger.at(old))).toBeUndefined()
    expect(await bucket((ledger) => ledger.at(newest))).toMatchObject({ value: "2" })
    expect(await bucket((ledger) => ledger.at(other))).toMatchObject({ key: "g-other" })
    expect(await commit({ key: "g", value: "3", expected: newest })).toBe(newest + 1)
  })
})
