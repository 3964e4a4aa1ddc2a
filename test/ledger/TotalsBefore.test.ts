import { Effect, Layer } from "effect"
import { array, assert, asyncProperty, integer, nat, property } from "fast-check"
import { describe, expect, it } from "vitest"
import type { Cents } from "../../src/account/Money.ts"
import { AccountReader, type ReadRevision } from "../../src/ledger/AccountReader.ts"
import { probeIn, TotalsBefore } from "../../src/ledger/TotalsBefore.ts"

interface Bought {
  readonly storedAt: number
  readonly cents: Cents
}

/**
 * Returns revisions that applied these purchases, in groups of these sizes. The first revision has the ledger sequence
 * 1.
 */
const revisionsOf = (purchases: ReadonlyArray<Bought>, size: number): ReadonlyArray<ReadRevision> => {
  let total = 0n
  return Array.from({ length: Math.ceil(purchases.length / size) }, (_, index) => {
    const own = purchases.slice(index * size, (index + 1) * size)
    for (const { cents } of own) total += cents
    return {
      sequence: index + 1,
      storedAt: 0,
      revision: {
        total,
        count: index * size + own.length,
        decidedThrough: 0,
        purchases: own.map(({ storedAt, cents }, place) => ({
          purchaseId: `p${index * size + place}`,
          productName: "Lamp",
          productType: "Office",
          valueCents: cents,
          quantity: 1,
          inputSequence: index + 1,
          inputIndex: place,
          storedAt
        })),
        reversals: 0,
        repeats: new Map(),
        previous: [],
        unsealed: 1,
        segment: 0
      }
    }
  })
}

const totalsOver = async (revisions: ReadonlyArray<ReadRevision>, moments: ReadonlyArray<number>) => {
  const read: Array<number> = []
  const reader = Layer.mock(AccountReader, {
    revisionAt: (_user, sequence) => {
      read.push(sequence)
      return Effect.succeed(revisions[sequence - 1])
    }
  })
  const sequences = revisions.map(({ sequence }) => sequence)
  const asking = Effect.flatMap(TotalsBefore, (totals) =>
    totals.read("ann", { sequences, count: sequences.length }, moments)
  ).pipe(Effect.provide(TotalsBefore.layer.pipe(Layer.provide(reader))))
  return { totals: await Effect.runPromise(asking), read }
}

const naive = (purchases: ReadonlyArray<Bought>, moment: number) => {
  const count = purchases.findLastIndex(({ storedAt }) => storedAt < moment) + 1
  return { count, reversals: 0, total: purchases.slice(0, count).reduce((sum, { cents }) => sum + cents, 0n) }
}

const times = array(integer({ min: 0, max: 60 }), { maxLength: 80 })
const boughtAt = (stored: ReadonlyArray<number>): Array<Bought> =>
  stored.map((storedAt, index) => ({ storedAt, cents: BigInt(index + 1) }))
const rising = times.map((stored) => boughtAt(stored.toSorted((one, other) => one - other)))
const stepping = times.map(boughtAt)
const sizes = integer({ min: 1, max: 5 })
const everyMoment = Array.from({ length: 63 }, (_, index) => index - 1)

describe("totals before moments", () => {
  it("the total before a moment is the total after the last purchase stored before that moment", () =>
    assert(
      asyncProperty(rising, sizes, array(integer({ min: -1, max: 61 })), async (purchases, size, moments) => {
        const { totals } = await totalsOver(revisionsOf(purchases, size), moments)
        expect(totals).toEqual(moments.map((moment) => naive(purchases, moment)))
      })
    ))

  it("totals never fall from moment to moment up to the present total, even if the clock stepped back", () =>
    assert(
      asyncProperty(stepping, sizes, async (purchases, size) => {
        const { totals } = await totalsOver(revisionsOf(purchases, size), everyMoment)
        for (const [index, { count }] of totals.entries()) {
          expect(count).toBeGreaterThanOrEqual(totals[index - 1]?.count ?? 0)
        }
        expect({ first: totals[0]?.count, last: totals.at(-1)?.count }).toEqual({ first: 0, last: purchases.length })
      })
    ))

  it("later purchases do not change the totals of the past, even if the clock stepped back before", () =>
    assert(
      asyncProperty(stepping, sizes, nat(40), nat(62), async (purchases, size, more, moment) => {
        const whole = purchases.slice(0, purchases.length - (purchases.length % size))
        const later = Array.from({ length: more }, () => ({ storedAt: 100, cents: 1n }))
        const before = await totalsOver(revisionsOf(whole, size), [moment])
        const after = await totalsOver(revisionsOf([...whole, ...later], size), [moment])
        expect(after.totals).toEqual(before.totals)
      })
    ))

  it("each moment takes at most 1 + log2(revisions) reads, and no revision is read twice", async () => {
    const purchases = boughtAt(Array.from({ length: 5_000 }, (_, index) => index))
    const one = await totalsOver(revisionsOf(purchases, 1), [3_333])
    expect(one.totals).toEqual([naive(purchases, 3_333)])
    expect(one.read.length).toBeLessThanOrEqual(13)
    const moments = Array.from({ length: 401 }, (_, index) => index * 12)
    const many = await totalsOver(revisionsOf(purchases, 1), moments)
    expect(many.totals).toEqual(moments.map((moment) => naive(purchases, moment)))
    expect(new Set(many.read).size).toBe(many.read.length)
    expect(many.read.length).toBeLessThanOrEqual(401 * 5 + 512)
  })
})

describe("the probe of a range of revisions", () => {
  it("the probe of a range is the number in the range that has the most factors of two", () => {
    const twos = (number: number) => number & -number
    assert(
      property(integer({ min: 1, max: 300 }), nat(300), (low, length) => {
        const probe = probeIn(low, low + length)
        const others = Array.from({ length: length + 1 }, (_, index) => twos(low + index))
        expect(probe).toBeGreaterThanOrEqual(low)
        expect(probe).toBeLessThanOrEqual(low + length)
        expect(twos(probe)).toBe(Math.max(...others))
      })
    )
  })
})
