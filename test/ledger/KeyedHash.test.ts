import { describe, expect, it } from "vitest"
import { KeyedHash } from "../../src/ledger/KeyedHash.ts"

const hexOf = (words: Uint32Array): string => Buffer.from(words.buffer).toString("hex")

/** The key 00 01 … 07 of the published vectors, in both halves. */
const publishedKey = Uint32Array.of(0x03020100, 0x07060504, 0x03020100, 0x07060504)

describe("a keyed hash", () => {
  it.each([
    [0, "218d1f59b9b83cc8"],
    [1, "be552412f8387315"],
    [2, "064f39ef7c50eb57"],
    [3, "ce0f1a45f7060679"],
    [4, "d5e78a175be52ea1"],
    [5, "cb9d7c3f2f3db580"]
  ])("the keyed hash of %i bytes 00 01 … is the published vector of HalfSipHash-2-4", (length, vector) => {
    const token = Array.from({ length }, (_, byte) => String.fromCharCode(byte)).join("")
    expect(hexOf(new KeyedHash(publishedKey).of(token))).toBe(vector + vector)
  })

  it("a keyed hash depends on each word of its key", () => {
    const keys = [0, 1, 2, 3].map((word) => publishedKey.with(word, 0))
    const hashes = [publishedKey, ...keys].map((key) => hexOf(new KeyedHash(key).of("ann")))
    expect(new Set(hashes).size).toBe(5)
  })
})
