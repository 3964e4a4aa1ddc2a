import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type Account,
  decide,
  type Delivered,
  dueSegment,
  emptyAccount,
  evolve,
  isEmpty,
  revisionOf,
  type StoredRevision,
  takeSegment,
  unsealedMax
} from "../../src/domain/Account.ts"
import type { PurchaseId, UserId } from "../../src/domain/Identifier.ts"
import { type Purchase, purchaseTotal, sameContent } from "../../src/domain/Purchase.ts"
import {
  decodeRevision,
  decodeSegment,
  encodeRevision,
  encodeSegment,
  previousRevisionsMax
} from "../../src/domain/Revision.ts"

const purchaseOf = (id: number, value: number): Purchase => ({
  purchaseId: `p${id}` as PurchaseId,
  userId: "user" as UserId,
  productName: "Laptop",
  productType: "Electronics",
  valueCents: BigInt(value),
  quantity: 1 + (value % 3)
})

/** Purchases in the order of the input log, one message each. */
const delivered = (purchases: ReadonlyArray<Purchase>): Array<Delivered> =>
  purchases.map((purchase, index) => ({ purchase, inputSequence: index + 1, inputIndex: 0, storedAt: 1_000 + index }))

/** A ledger of one account in memory: commits, and reads back what a new actor would read. */
const makeLedger = () => {
  const revisions: Array<StoredRevision & { readonly text: string }> = []
  const segments: Array<string> = []
  let sequence = 0
  return {
    commit: (account: Account, group: ReadonlyArray<Delivered>) => {
      const decision = decide(account, group)
      if (isEmpty(decision)) return decision
      const segment = dueSegment(account)
      const revision = revisionOf(account, decision, segment !== undefined)
      if (segment !== undefined) segments.push(encodeSegment(segment))
      sequence += 7
      revisions.push({ sequence, revision, text: encodeRevision(revision) })
      evolve(account, revision, sequence)
      return decision
    },
    load: (): Account => {
      const newest = revisions.at(-1)?.revision
      if (newest === undefined) return emptyAccount()
      const unsealed = revisions
        .slice(-newest.unsealed)
        .map((stored) => ({ sequence: stored.sequence, revision: decodeRevision(stored.text) }))
      const account = emptyAccount()
      const applying = segments.toReversed().map((text) => takeSegment(account, decodeSegment(text)))
      account.applying.push(...applying.toReversed().flat())
      for (const { revision, sequence } of unsealed) evolve(account, revision, sequence)
      return account
    },
    revisions,
    segments
  }
}

/** What an account must come to: the first content of each id counts, in order. */
const expectedOf = (purchases: ReadonlyArray<Purchase>) => {
  const first = new Map<string, Purchase>()
  const counts = new Map<string, { repeats: number; conflicts: number }>()
  for (const purchase of purchases) {
    const known = first.get(purchase.purchaseId)
    if (known === undefined) {
      first.set(purchase.purchaseId, purchase)
      counts.set(purchase.purchaseId, { repeats: 0, conflicts: 0 })
      continue
    }
    const count = counts.get(purchase.purchaseId)
    if (count === undefined) continue
    if (sameContent(known, purchase)) count.repeats += 1
    else count.conflicts += 1
  }
  const total = [...first.values()].reduce((sum, purchase) => sum + purchaseTotal(purchase), 0n)
  return { ids: [...first.keys()], total, counts }
}

/** All of an account, whatever the order in which its set was filled. */
const contentOf = ({ seen, ...rest }: Account) => ({
  ...rest,
  seen: new Map(Array.from(seen.ids(), (id) => [id, seen.get(id)] as const))
})

const observed = (account: Account) => ({
  total: account.total,
  count: account.count,
  seen: new Map(
    Array.from(account.seen.ids(), (id) => {
      const { repeats = -1, conflicts = -1 } = account.seen.get(id) ?? {}
      return [id, { repeats, conflicts }] as const
    })
  )
})

const purchases = fc.array(
  fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 3 })).map(([id, value]) => purchaseOf(id, value)),
  { maxLength: 120 }
)
const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 120 })

const grouped = (all: ReadonlyArray<Delivered>, sizes: ReadonlyArray<number>): Array<Array<Delivered>> => {
  const groups: Array<Array<Delivered>> = []
  let from = 0
  for (let index = 0; from < all.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1
    groups.push(all.slice(from, from + size))
    from += size
  }
  return groups
}

describe("decide", () => {
  it("applies each id once, in order, whatever repeats and however it is grouped", () => {
    fc.assert(
      fc.property(purchases, cuts, (all, sizes) => {
        const ledger = makeLedger()
        const account = emptyAccount()
        for (const group of grouped(delivered(all), sizes)) ledger.commit(account, group)
        const expected = expectedOf(all)
        expect(observed(account)).toEqual({
          total: expected.total,
          count: expected.ids.length,
          seen: expected.counts
        })
        const applied = ledger.revisions.flatMap(({ revision }) =>
          revision.purchases.map(({ purchaseId }) => purchaseId)
        )
        expect(applied).toEqual(expected.ids)
      })
    )
  })

  it("gives the same total for any order when the contents agree", () => {
    const agreeing = fc.array(
      fc.integer({ min: 0, max: 30 }).map((id) => purchaseOf(id, id + 1)),
      { maxLength: 80 }
    )
    fc.assert(
      fc.property(
        agreeing.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        cuts,
        ([all, shuffled], sizes) => {
          const run = (order: ReadonlyArray<Purchase>) => {
            const account = emptyAccount()
            const ledger = makeLedger()
            for (const group of grouped(delivered(order), sizes)) ledger.commit(account, group)
            return { total: account.total, count: account.count }
          }
          expect(run(shuffled)).toEqual(run(all))
        }
      )
    )
  })

  it("comes to the same account when an actor is lost after any commit and the log is read again from any place", () => {
    fc.assert(
      fc.property(purchases, cuts, fc.array(fc.nat({ max: 30 }), { maxLength: 8 }), (all, sizes, rewinds) => {
        const ledger = makeLedger()
        const log = delivered(all)
        let account = emptyAccount()
        let from = 0
        for (let step = 0; from < log.length; step += 1) {
          const size = sizes[step % sizes.length] ?? 1
          ledger.commit(account, log.slice(from, from + size))
          from += size
          const rewind = rewinds[step]
          if (rewind === undefined) continue
          account = ledger.load()
          from = Math.max(0, from - rewind)
        }
        const expected = expectedOf(all)
        // What was decided before a crash is neither applied nor counted as a repeat again.
        expect(observed(account)).toEqual({ total: expected.total, count: expected.ids.length, seen: expected.counts })
        expect(observed(ledger.load())).toEqual(observed(account))
      })
    )
  })

  it("changes nothing", () => {
    const account = emptyAccount()
    makeLedger().commit(account, delivered([purchaseOf(1, 5)]))
    const before = structuredClone(account)
    decide(account, delivered([purchaseOf(1, 5), purchaseOf(1, 6), purchaseOf(2, 7)]))
    expect(account).toEqual(before)
  })

  it("tells a conflict from a repeat, within one group and across groups", () => {
    const account = emptyAccount()
    const ledger = makeLedger()
    const log = delivered([purchaseOf(1, 5), purchaseOf(1, 6), purchaseOf(1, 5), purchaseOf(1, 7)])
    const first = ledger.commit(account, log.slice(0, 2))
    expect(first.conflicts).toEqual([log[1]])
    const second = ledger.commit(account, log.slice(2))
    expect(second.applied).toEqual([])
    expect(second.conflicts).toEqual([log[3]])
    expect(account.seen.get("p1")).toMatchObject({ repeats: 1, conflicts: 2 })
    expect(account.total).toBe(purchaseTotal(purchaseOf(1, 5)))
  })
})

describe("the purchaseId set", () => {
  it("is sealed into segments, and is whole when it is read back", () => {
    const ledger = makeLedger()
    const account = emptyAccount()
    const all = Array.from({ length: 3 * unsealedMax + 17 }, (_, id) => purchaseOf(id, 100 + id))
    const log = delivered([...all, ...all.filter((_, index) => index % 5 === 0)])
    for (const group of grouped(log, [1, 3, 40])) ledger.commit(account, group)
    expect(ledger.segments.length).toBeGreaterThanOrEqual(3)
    const loaded = ledger.load()
    expect(contentOf(loaded)).toEqual(contentOf(account))
    expect(loaded.seen.size).toBe(all.length)
    expect(loaded.seen.unsealedEntries()).toEqual(account.seen.unsealedEntries())
    const cameAgain = Array.from(loaded.seen.ids()).filter((id) => loaded.seen.get(id)?.repeats === 1)
    expect(cameAgain).toHaveLength(Math.ceil(all.length / 5))
    expect(
      decide(
        loaded,
        log.map((one) => ({ ...one, inputSequence: one.inputSequence + 10_000 }))
      ).applied
    ).toEqual([])
  })

  it("is sealed by repeats alone too, so that a wake-up never walks a long chain", () => {
    const ledger = makeLedger()
    const account = emptyAccount()
    const log = delivered(Array.from({ length: 3 * unsealedMax }, () => purchaseOf(1, 5)))
    for (const one of log) ledger.commit(account, [one])
    expect(account.unsealedRevisions).toBeLessThanOrEqual(unsealedMax)
    expect(contentOf(ledger.load())).toEqual(contentOf(account))
    expect(account.seen.get("p1")?.repeats).toBe(log.length - 1)
  })

  it("names the revisions before it, newest first and no more than are kept", () => {
    const ledger = makeLedger()
    const account = emptyAccount()
    for (const one of delivered(Array.from({ length: 50 }, (_, id) => purchaseOf(id, 1)))) ledger.commit(account, [one])
    for (const [index, { revision }] of ledger.revisions.entries()) {
      const before = ledger.revisions.slice(Math.max(0, index - previousRevisionsMax), index)
      expect(revision.previous).toEqual(before.map(({ sequence }) => sequence).toReversed())
    }
  })
})

describe("the encodings", () => {
  it("bring a revision and a segment back as they were", () => {
    fc.assert(
      fc.property(purchases, (all) => {
        const ledger = makeLedger()
        const account = emptyAccount()
        for (const group of grouped(delivered(all), [7])) ledger.commit(account, group)
        for (const { revision, text } of ledger.revisions) expect(decodeRevision(text)).toEqual(revision)
        const entries = Array.from(account.seen.ids(), (purchaseId) => {
          const { revision = -1, fingerprint = -1 } = account.seen.get(purchaseId) ?? {}
          return { purchaseId, revision, fingerprint }
        })
        const segment = { entries, repeats: account.unsealedRepeats ?? new Map() }
        expect(decodeSegment(encodeSegment(segment))).toEqual(segment)
      })
    )
  })

  it("keep totals exact beyond what a float holds", () => {
    const account = { ...emptyAccount(), total: 9_007_199_254_740_993n }
    const revision = revisionOf(account, decide(account, delivered([purchaseOf(1, 4)])), false)
    expect(decodeRevision(encodeRevision(revision)).total).toBe(9_007_199_254_741_001n)
  })
})
