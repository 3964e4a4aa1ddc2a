import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { HeadTable, headEntryBytes } from "../../src/ledger/HeadTable.ts"

const key = Uint32Array.of(1, 2, 3, 4)
const userTokens = fc.constantFrom(...Array.from({ length: 40 }, (_, number) => `user${number}`))
const commits = fc.array(fc.array(userTokens, { minLength: 1, maxLength: 5 }), { maxLength: 60 })

/** Commits in order, each with the next sequence, into a table of heads and into a Map. */
const fill = (table: HeadTable, history: ReadonlyArray<ReadonlyArray<string>>) => {
  const expected = new Map<string, number>()
  for (const [index, tokens] of history.entries()) {
    for (const token of tokens) {
      table.set(token, index + 1)
      expected.set(token, index + 1)
    }
  }
  return expected
}

const agree = (table: HeadTable, expected: ReadonlyMap<string, number>) => {
  expect(table.size).toBe(expected.size)
  for (let number = 0; number < 40; number += 1) {
    const token = `user${number}`
    expect(table.find(token)).toBe(expected.get(token) ?? 0)
  }
}

describe("a table of heads", () => {
  it("a table of heads finds the same heads as a Map after any history of commits", () => {
    fc.assert(
      fc.property(commits, (history) => {
        const table = new HeadTable(key)
        agree(table, fill(table, history))
      })
    )
  })

  it("a table of heads is the same if a base and hints are read in any order, or more than once", () => {
    fc.assert(
      fc.property(commits, commits, fc.boolean(), (first, second, hintFirst) => {
        const table = new HeadTable(key)
        fill(table, first)
        const base = table.takeAll()
        const history = [...first, ...second]
        const expected = fill(table, history)
        const hint = table.takeChanged()
        const blobs = hintFirst ? [hint, base] : [base, hint, hint]
        const restored = new HeadTable(key)
        for (const blob of blobs) restored.read(blob)
        agree(restored, expected)
      })
    )
  })

  it("a hint names each user that changed since the last hint exactly once", () => {
    const table = new HeadTable(key)
    table.set("ann", 1)
    table.set("bob", 1)
    expect(table.takeChanged().byteLength).toBe(2 * headEntryBytes)
    table.set("ann", 2)
    table.set("ann", 3)
    expect(table.changed).toBe(1)
    const hint = new HeadTable(key)
    hint.read(table.takeChanged())
    expect({ size: hint.size, ann: hint.find("ann"), bob: hint.find("bob") }).toEqual({ size: 1, ann: 3, bob: 0 })
    expect(table.takeChanged().byteLength).toBe(0)
  })

  it("a table of heads keeps every user and change when it grows, with 36 to 72 bytes a user", () => {
    const table = new HeadTable(key)
    const users = 100_000
    for (let number = 1; number <= users; number += 1) table.set(`user${number}`, number)
    expect({ size: table.size, changed: table.changed }).toEqual({ size: users, changed: users })
    for (let number = 1; number <= users; number += 1) expect(table.find(`user${number}`)).toBe(number)
    expect(table.bytes / users).toBeGreaterThan(35)
    expect(table.bytes / users).toBeLessThan(73)
  })

  it("a table of heads is restored only from a base whose hashes were made with the same key", () => {
    const table = new HeadTable(key)
    table.set("ann", 7)
    const other = new HeadTable(Uint32Array.of(5, 6, 7, 8))
    other.read(table.takeAll())
    expect(other.find("ann")).toBe(0)
  })
})
