import { expect, it } from "vitest"
import { onBoth, usual } from "./OnBoth.ts"

onBoth("the store of heads", usual, ({ heads }) => {
  const conflict = { _tag: "CommitConflict" }
  const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)
  const store = async (partition: number, name: string, chunk = bytes(1)) =>
    Number(await heads((real) => real.store(partition, name, chunk)))
  const at = async (sequence: number) => {
    const found = await heads((real) => real.at(sequence))
    return found instanceof Uint8Array ? [...found] : found
  }

  it("only an owner that has read the newest manifest can replace the manifest", async () => {
    expect(await heads(({ manifest }) => manifest(0))).toBeUndefined()
    expect(await heads((real) => real.replaceManifest(0, "too early", 7))).toMatchObject(conflict)
    const first = Number(await heads((real) => real.replaceManifest(0, "one", 0)))
    expect(await heads(({ manifest }) => manifest(0))).toEqual({ sequence: first, text: "one" })
    for (const wrong of [0, first - 1, first + 1]) {
      expect(await heads((real) => real.replaceManifest(0, "wrong", wrong))).toMatchObject(conflict)
    }
    const second = Number(await heads((real) => real.replaceManifest(0, "two", first)))
    expect(await heads((real) => real.replaceManifest(0, "late", first))).toMatchObject(conflict)
    expect(await heads(({ manifest }) => manifest(0))).toEqual({ sequence: second, text: "two" })
    expect(await heads(({ manifest }) => manifest(1))).toBeUndefined()
  })

  it("chunks are stored with exactly their bytes, each at a sequence of its own", async () => {
    const all = Uint8Array.from({ length: 256 }, (_, value) => value)
    const first = await store(2, "hint.1-1.0", all)
    const second = await store(2, "hint.1-1.1", bytes(0, 255))
    expect(second).toBe(first + 1)
    expect(await at(first)).toEqual([...all])
    expect(await at(second)).toEqual([0, 255])
    expect(await at(second + 1_000)).toBeUndefined()
  })

  it("if several chunks have the same name, only the newest chunk is kept", async () => {
    const old = await store(3, "base.1-1.0", bytes(1))
    const kept = await store(3, "base.1-1.0", bytes(2))
    expect(await at(old)).toBeUndefined()
    expect(await at(kept)).toEqual([2])
  })

  it("only the chunks and the manifest of one partition are removed below a sequence", async () => {
    const manifest = Number(await heads((real) => real.replaceManifest(4, "old", 0)))
    const old = await store(4, "hint.1-1.0")
    const other = await store(5, "hint.1-1.0")
    const kept = await store(4, "base.1-2.0")
    expect(await heads((real) => real.removeBelow(4, old))).not.toMatchObject({ _tag: expect.anything() })
    expect(await heads((real) => real.manifest(4))).toBeUndefined()
    expect(await at(old)).toEqual([1])
    await heads((real) => real.removeBelow(4, kept))
    expect(await at(old)).toBeUndefined()
    expect(await at(kept)).toEqual([1])
    expect(await at(other)).toEqual([1])
    // When the manifest of a partition is lost, the next manifest is stored like a first manifest.
    expect(await heads((real) => real.replaceManifest(4, "late", manifest))).toMatchObject(conflict)
    expect(await heads((real) => real.replaceManifest(4, "new", 0))).toBe(kept + 1)
  })
})
