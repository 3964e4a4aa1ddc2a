import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { AppliedPurchase, Revision } from "../../src/account/Revision.ts"
import { LongWindow } from "../../src/rules/LongWindow.ts"
import { everything, type Scope } from "../../src/rules/Rule.ts"
import { UserWindows, type WindowNeed } from "../../src/rules/UserWindows.ts"
import type { WindowBounds } from "../../src/rules/WindowWalk.ts"
import { loadNeeds } from "./loadWindows.ts"

const bounds: WindowBounds = { entriesOfUserMax: 1_000, blockEntriesMin: 16 }

/** The account has one purchase of one cent a millisecond. */
const purchase = (storedAt: number): AppliedPurchase => ({
  purchaseId: `${storedAt}`,
  productName: storedAt % 100 === 0 ? "Laptop" : "Pen",
  productType: "Things",
  valueCents: 1n,
  quantity: 1,
  inputSequence: 1,
  inputIndex: 0,
  storedAt
})

/** Returns the revision at a sequence of an account whose revisions have `size` purchases each. */
const revisionOf = (size: number, sequence: number): Revision => ({
  total: 0n,
  count: size * sequence,
  reversals: 0,
  decidedThrough: sequence,
  purchases: Array.from({ length: size }, (_, index) => purchase(size * (sequence - 1) + index + 1)),
  repeats: new Map(),
  previous: Array.from({ length: Math.min(20, sequence - 1) }, (_, index) => sequence - 1 - index),
  unsealed: 1,
  segment: 0
})

const needOf = (length: number, scope: Scope, { purchases }: Revision): WindowNeed => ({
  key: `${length} ${scope.kind}`,
  scope,
  cutoff: (storedAt) => storedAt - length,
  cutoffs: purchases.map(({ storedAt }) => storedAt - length)
})

const laptops: Scope = { kind: "product", name: "Laptop" }
const bothScopes = [everything, laptops]

/** Follows the revisions of an account with its windows, and counts the reads. */
class Follower {
  reads = 0
  walks = 0
  entriesMax = 0
  readonly windows: UserWindows
  lengths: ReadonlyArray<number>
  private readonly scopes: ReadonlyArray<Scope>
  private readonly size: number

  constructor(through: number, lengths: ReadonlyArray<number>, scopes: ReadonlyArray<Scope> = bothScopes, size = 2) {
    this.windows = new UserWindows(through, bounds)
    this.lengths = lengths
    this.scopes = scopes
    this.size = size
  }

  /** The keys of the long windows. */
  get long(): ReadonlyArray<string> {
    return this.needs(1).flatMap(({ key }) => (this.windows.state(key) instanceof LongWindow ? [key] : []))
  }

  private revisionAt(sequence: number): Revision {
    return revisionOf(this.size, sequence)
  }

  needs(sequence: number): ReadonlyArray<WindowNeed> {
    return this.lengths.flatMap((length) =>
      this.scopes.map((scope) => needOf(length, scope, this.revisionAt(sequence)))
    )
  }

  /** Loads what is missing for a revision. */
  load(sequence: number): void {
    const read = (of: number) =>
      Effect.sync(() => {
        this.reads += 1
        return this.revisionAt(of)
      })
    this.walks += loadNeeds(this.windows, this.needs(sequence), this.revisionAt(sequence).previous, read).length
    this.entriesMax = Math.max(this.entriesMax, this.windows.entries)
  }

  /** Checks the windows of all purchases of a revision, and adds the purchases. */
  judge(sequence: number): void {
    this.load(sequence)
    const { purchases } = this.revisionAt(sequence)
    for (const [index, { storedAt }] of purchases.entries()) {
      for (const { key, scope, cutoffs } of this.needs(sequence)) {
        const cutoff = cutoffs[index] as number
        const before = Math.max(cutoff, 0)
        const through = storedAt - 1
        const spent =
          scope.kind === "everything" ? through - before : Math.floor(through / 100) - Math.floor(before / 100)
        expect(this.windows.state(key).runningSince(cutoff)).toEqual({ spent, count: spent })
      }
      this.windows.add(purchases[index] as AppliedPurchase)
    }
    this.windows.settle(sequence, purchases, new Set(this.needs(sequence).map(({ key }) => key)))
  }
}

describe("the windows of a user with very many purchases", () => {
  it("a window above the bound is exact, holds few purchases, and reads each purchase again once", () => {
    const follower = new Follower(10_000, [15_000])
    follower.judge(10_001)
    // One walk finds the 15,000 purchases of the window, and another walk reads the block in which the window begins.
    expect(follower.walks).toBe(2)
    expect(follower.reads).toBeLessThan(7_540)
    for (let sequence = 10_002; sequence <= 20_000; sequence += 1) follower.judge(sequence)
    expect(follower.walks).toBe(2 + Math.ceil(19_998 / 16))
    expect(follower.reads).toBeLessThan(7_520 + 1.3 * 10_000)
    expect(follower.entriesMax).toBeLessThan(300)
    // The window has 15,000 purchases in 937 blocks, and each block takes the memory of eight purchases.
    expect(follower.windows.room).toBeGreaterThan(7_400)
    expect(follower.windows.room).toBeLessThan(8_500)
  })

  it("of some windows, the largest becomes long, and the others stay in memory", () => {
    const follower = new Follower(10_000, [400, 500, 900])
    for (let sequence = 10_001; sequence <= 10_020; sequence += 1) follower.judge(sequence)
    expect(follower.windows.entries).toBeGreaterThan(900)
    expect(follower.windows.entries).toBeLessThan(1_000)
    // One walk finds all windows, and the long window begins in four blocks one after another.
    expect(follower.walks).toBe(5)
  })

  it("of some windows that grow above the bound, only the largest becomes long", () => {
    const follower = new Follower(0, [100, 200, 900])
    for (let sequence = 1; sequence <= 1_000; sequence += 1) follower.judge(sequence)
    expect(follower.windows.entries).toBeGreaterThan(300)
    expect(follower.windows.entries).toBeLessThan(400)
    expect(follower.long).toEqual(["900 everything"])
  })

  it("a window of a later rule becomes long if the other windows leave too little memory", () => {
    const follower = new Follower(2_000, [900])
    follower.judge(2_001)
    follower.lengths = [900, 500]
    follower.judge(2_002)
    expect(follower.long).toEqual(["500 everything"])
  })

  it.each([[[1_001]], [[500, 501]], [[333, 334, 335]]])(
    "windows of %j purchases are above the bound only after a revision, and are loaded once",
    (lengths) => {
      const follower = new Follower(0, lengths, [everything], 10)
      for (let sequence = 1; sequence <= 2_000; sequence += 1) follower.judge(sequence)
      expect(follower.reads).toBeLessThan(3_000)
    }
  )

  it("a window that grows above the bound becomes long", () => {
    const follower = new Follower(0, [15_000])
    for (let sequence = 1; sequence <= 10_000; sequence += 1) {
      follower.judge(sequence)
      expect(follower.windows.entries).toBeLessThanOrEqual(bounds.entriesOfUserMax)
    }
    expect(follower.windows.entries).toBeLessThan(300)
  })
})
