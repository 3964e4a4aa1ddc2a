import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type Account,
  decide,
  type Delivered,
  type DeliveredPurchase,
  emptyAccount,
  evolve,
  isSealDue,
  mustAwaitSeal,
  revisionOf,
  revisionsAfter,
  sealedPartOf,
  type SealedPart,
  takeSealedParts,
  takeSegment,
  unsealedRevisionsMax
} from "../../src/account/Account.ts"
import type { PurchaseId, UserId } from "../../src/account/Identifier.ts"
import { type Purchase, purchaseTotal, sameContent } from "../../src/account/Purchase.ts"
import { previousRevisionsMax } from "../../src/account/Revision.ts"
import { decodeRevision } from "../../src/protocol/RevisionCodec.ts"
import { linksAfter } from "../../src/account/Segment.ts"
import { decodeSegment } from "../../src/protocol/SegmentCodec.ts"
import { AccountLedger } from "../support/AccountLedger.ts"

/** The broker's `max_payload`. The broker would refuse a segment larger than `max_payload` for ever. */
const payloadMax = 1024 * 1024

const purchaseOf = (id: number, value: number): Purchase => ({
  purchaseId: `p${id}` as PurchaseId,
  userId: "user" as UserId,
  productName: "Laptop",
  productType: "Electronics",
  valueCents: BigInt(value),
  quantity: 1 + (value % 3)
})

/** Returns purchases in the order of the input log, one message each. */
const delivered = (purchases: ReadonlyArray<Purchase>): Array<DeliveredPurchase> =>
  purchases.map((purchase, index) => ({ purchase, inputSequence: index + 1, inputIndex: 0, storedAt: 1_000 + index }))

/** Returns purchases as further deliveries of the same purchases, stored behind all other deliveries. */
const deliveredAgain = <One extends Delivered>(log: ReadonlyArray<One>, behind: number): Array<One> =>
  log.map((one) => ({ ...one, inputSequence: one.inputSequence + behind }))

/** A ledger of one account in memory. */
const makeLedger = () => {
  const texts = new Map<number, string>()
  let sequence = 0
  const store = (text: string) => {
    sequence += 7
    texts.set(sequence, text)
    return sequence
  }
  return Object.assign(new AccountLedger("user", { commit: store, segment: store }), { texts })
}
type Ledger = ReturnType<typeof makeLedger>

/** Reads the segments that the newest segment names, directly or through other segments, newest first. */
const reachableFrom = ({ texts }: Ledger, newest: number): ReadonlyArray<number> => {
  const found = new Set<number>()
  for (let wanted = newest === 0 ? [] : [newest]; wanted.length > 0;) {
    for (const sequence of wanted) found.add(sequence)
    const named = wanted.flatMap((sequence) => {
      const { links } = decodeSegment(texts.get(sequence) ?? "")
      return [...links.before, ...links.directories]
    })
    wanted = [...new Set(named)].filter((sequence) => !found.has(sequence))
  }
  return [...found]
}

/**
 * Reads the account from the stored records. The ids of the newest segments are taken first, because the segments of an
 * account may be taken in any order.
 */
const load = (ledger: Ledger): Account => {
  const account = emptyAccount()
  const newest = ledger.revisions.at(-1)?.revision
  if (newest === undefined) return account
  const order = new Map<number, SealedPart>()
  for (const at of reachableFrom(ledger, newest.segment)) {
    const segment = decodeSegment(ledger.texts.get(at) ?? "")
    takeSegment(account, segment)
    if (at === newest.segment) account.links = linksAfter(segment.links, at)
    order.set(at, sealedPartOf(segment))
  }
  account.segment = newest.segment
  const oldestFirst = [...order].sort(([one], [other]) => one - other).map(([, part]) => part)
  takeSealedParts(account, oldestFirst)
  for (const { sequence, line } of ledger.revisions.slice(-newest.unsealed)) {
    evolve(account, decodeRevision(line), sequence)
  }
  return account
}

/** Returns the expected account: the first content of each id counts, in order. */
const expectedOf = (purchases: ReadonlyArray<Purchase>) => {
  const first = new Map<string, Purchase>()
  const counts = new Map<string, { repeats: number; conflicts: number }>()
  for (const purchase of purchases) {
    const known = first.get(purchase.purchaseId)
    const count = counts.get(purchase.purchaseId)
    if (known === undefined || count === undefined) {
      first.set(purchase.purchaseId, purchase)
      counts.set(purchase.purchaseId, { repeats: 0, conflicts: 0 })
    } else if (sameContent(known, purchase)) count.repeats += 1
    else count.conflicts += 1
  }
  const total = [...first.values()].reduce((sum, purchase) => sum + purchaseTotal(purchase), 0n)
  return { ids: [...first.keys()], total, counts }
}

/** Returns the parts of an account that queries see. */
const observed = (account: Account, ids: Iterable<string>) => ({
  total: account.total,
  count: account.count,
  size: account.purchaseIds.size,
  seen: new Map(
    Array.from(ids, (id) => {
      const { repeats = -1, conflicts = -1 } = account.purchaseIds.get(id) ?? {}
      return [id, { repeats, conflicts }] as const
    })
  )
})

const expectedView = ({ ids, total, counts }: ReturnType<typeof expectedOf>) => ({
  total,
  count: ids.length,
  size: ids.length,
  seen: counts
})

/**
 * Returns the whole account, independent of the order in which its set was filled. `segment` and `links` name the
 * stored segments.
 */
const contentOf = ({ purchaseIds, ...rest }: Account, ids: Iterable<string>) => ({
  ...rest,
  size: purchaseIds.size,
  unsealed: purchaseIds.unsealedRevisions(),
  purchaseIds: new Map(Array.from(ids, (id) => [id, purchaseIds.get(id)] as const))
})

const purchases = fc.array(
  fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 3 })).map(([id, value]) => purchaseOf(id, value)),
  { maxLength: 120 }
)
/** Histories that are large enough for several segments. */
const manyPurchases = fc.array(
  fc.tuple(fc.integer({ min: 0, max: 90 }), fc.integer({ min: 1, max: 3 })).map(([id, value]) => purchaseOf(id, value)),
  { minLength: 60, maxLength: 300, size: "max" }
)
const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 120 })
const shortCuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 20 })
/** The number of commits that come while a segment is being stored. */
const lag = fc.integer({ min: 0, max: 40 })

const grouped = <One extends Delivered>(all: ReadonlyArray<One>, sizes: ReadonlyArray<number>): Array<Array<One>> => {
  const groups: Array<Array<One>> = []
  let from = 0
  for (let index = 0; from < all.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1
    groups.push(all.slice(from, from + size))
    from += size
  }
  return groups
}

/**
 * Commits groups of deliveries as an actor does. The storing of a segment takes as long as `commitsMeanwhile` commits.
 */
const commitAll = (ledger: AccountLedger, groups: ReadonlyArray<ReadonlyArray<Delivered>>, commitsMeanwhile = 0) => {
  for (const group of groups) {
    ledger.seal(commitsMeanwhile)
    ledger.commit(group)
  }
}

/** Stores the segments in flight, and commits one more purchase, so that the newest revision names all segments. */
const commitLast = (ledger: AccountLedger) => {
  ledger.endSeal()
  const last = { ...purchaseOf(0, 1), purchaseId: "last" as PurchaseId }
  ledger.commit([{ purchase: last, inputSequence: 1_000_000, inputIndex: 0, storedAt: 0 }])
}

describe("decide", () => {
  it("the times of an account's purchases never fall, however the broker's clock steps back", () => {
    fc.assert(
      fc.property(purchases, cuts, fc.array(fc.nat(50), { minLength: 1 }), (all, sizes, times) => {
        const ledger = makeLedger()
        const log = delivered(all).map((one, index) => ({ ...one, storedAt: times[index % times.length] ?? 0 }))
        commitAll(ledger, grouped(log, sizes))
        const first = new Map<string, DeliveredPurchase>()
        for (const one of log) if (!first.has(one.purchase.purchaseId)) first.set(one.purchase.purchaseId, one)
        let newest = 0
        const expected = Array.from(first.values(), ({ storedAt }) => (newest = Math.max(newest, storedAt)))
        const applied = ledger.revisions.flatMap(({ revision }) => revision.purchases.map(({ storedAt }) => storedAt))
        expect(applied).toEqual(expected)
        expect(ledger.account.storedThrough).toBe(newest)
      })
    )
  })

  it("decide applies each id once and in order, however purchases repeat and are divided into commits", () => {
    fc.assert(
      fc.property(purchases, cuts, lag, (all, sizes, commitsMeanwhile) => {
        const ledger = makeLedger()
        commitAll(ledger, grouped(delivered(all), sizes), commitsMeanwhile)
        const expected = expectedOf(all)
        expect(observed(ledger.account, expected.ids)).toEqual(expectedView(expected))
        const applied = ledger.revisions.flatMap(({ revision }) =>
          revision.purchases.map(({ purchaseId }) => purchaseId)
        )
        expect(applied).toEqual(expected.ids)
      })
    )
  })

  it("decide gives the same total for any order of purchases if equal ids have equal contents", () => {
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
            const ledger = makeLedger()
            commitAll(ledger, grouped(delivered(order), sizes))
            return { total: ledger.account.total, count: ledger.account.count }
          }
          expect(run(shuffled)).toEqual(run(all))
        }
      )
    )
  })

  it("an account is the same if actors are lost after any commit and read the input log again from any point", () => {
    const rewinding = fc.array(fc.option(fc.nat({ max: 30 }), { nil: undefined }), { maxLength: 60 })
    fc.assert(
      fc.property(manyPurchases, shortCuts, lag, rewinding, (all, sizes, commitsMeanwhile, rewinds) => {
        const ledger = makeLedger()
        const log = delivered(all)
        let from = 0
        for (let step = 0; from < log.length; step += 1) {
          const size = sizes[step % sizes.length] ?? 1
          commitAll(ledger, [log.slice(from, from + size)], commitsMeanwhile)
          from += size
          const rewind = rewinds[step]
          if (rewind === undefined) continue
          ledger.restart(load(ledger))
          from = Math.max(0, from - rewind)
        }
        const expected = expectedOf(all)
        // Input that was decided before a crash is neither applied nor counted again.
        expect(observed(ledger.account, expected.ids)).toEqual(expectedView(expected))
        expect(observed(load(ledger), expected.ids)).toEqual(expectedView(expected))
      })
    )
  })

  it("decide does not change the account that it gets", () => {
    const ledger = makeLedger()
    ledger.commit(delivered([purchaseOf(1, 5)]))
    const { account } = ledger
    const before = structuredClone(account)
    decide(account, delivered([purchaseOf(1, 5), purchaseOf(1, 6), purchaseOf(2, 7)]))
    expect(account).toEqual(before)
  })

  it("decide tells a conflict from a repeat, within one commit and over several commits", () => {
    const ledger = makeLedger()
    const log = delivered([purchaseOf(1, 5), purchaseOf(1, 6), purchaseOf(1, 5), purchaseOf(1, 7)])
    const first = ledger.commit(log.slice(0, 2))
    expect(first.conflicts).toEqual([log[1]])
    const second = ledger.commit(log.slice(2))
    expect(second.applied).toEqual([])
    expect(second.conflicts).toEqual([log[3]])
    expect(ledger.account.purchaseIds.get("p1")).toMatchObject({ repeats: 1, conflicts: 2 })
    expect(ledger.account.total).toBe(purchaseTotal(purchaseOf(1, 5)))
  })
})

describe("an account that is loaded from what is stored", () => {
  it("a loaded account equals the account in memory if it has idle revisions and repeats of sealed ids", () => {
    fc.assert(
      fc.property(manyPurchases, shortCuts, lag, (all, sizes, commitsMeanwhile) => {
        const ledger = makeLedger()
        const log = delivered(all)
        const again = deliveredAgain(log, log.length)
        commitAll(ledger, grouped([...log, ...again], sizes), commitsMeanwhile)
        const { ids } = expectedOf(all)
        expect(observed(load(ledger), ids)).toEqual(observed(ledger.account, ids))
        commitLast(ledger)
        expect(contentOf(load(ledger), [...ids, "last"])).toEqual(contentOf(ledger.account, [...ids, "last"]))
      })
    )
  })

  it("a loaded account equals the account in memory if it has large revisions and several segments of one seal", () => {
    const many = fc.array(fc.tuple(fc.nat({ max: 4_000 }), fc.integer({ min: 1, max: 900 }), fc.nat({ max: 30 })), {
      minLength: 1,
      maxLength: 12
    })
    fc.assert(
      fc.property(many, fc.integer({ min: 0, max: 4 }), (blocks, commitsMeanwhile) => {
        const ledger = makeLedger()
        let sequence = 0
        const groups = blocks.map(([first, count, value]) =>
          delivered(Array.from({ length: count }, (_, index) => purchaseOf(first + index, 1 + value))).map((one) => ({
            ...one,
            inputSequence: (sequence += 1)
          }))
        )
        commitAll(ledger, groups, commitsMeanwhile)
        commitLast(ledger)
        const expected = expectedOf(groups.flat().map(({ purchase }) => purchase))
        const loaded = load(ledger)
        const ids = [...expected.ids, "last"]
        expect(contentOf(loaded, ids)).toEqual(contentOf(ledger.account, ids))
        expect(observed(loaded, expected.ids).seen).toEqual(expected.counts)
        expect(decide(loaded, deliveredAgain(groups.flat(), 2_000_000)).applied).toEqual([])
      }),
      // The shrinking of long histories takes minutes.
      { numRuns: 25, endOnFailure: true }
    )
  })
})

describe("sealing", () => {
  const distinct = (count: number, from = 0) =>
    delivered(Array.from({ length: count }, (_, id) => purchaseOf(from + id, 100))).map((one, index) => ({
      ...one,
      inputSequence: from + index + 1
    }))

  it("a segment is due at 256 ids or 24 revisions without a segment, unless a segment is being stored", () => {
    const ids = makeLedger()
    ids.commit(distinct(255))
    expect(isSealDue(ids.account)).toBe(false)
    ids.commit(distinct(1, 255))
    expect(isSealDue(ids.account)).toBe(true)
    const revisions = makeLedger()
    for (let number = 0; number < 23; number += 1) revisions.commit(distinct(1, number))
    expect(isSealDue(revisions.account)).toBe(false)
    revisions.commit(distinct(1, 23))
    expect(isSealDue(revisions.account)).toBe(true)
    revisions.beginSeal()
    for (let number = 24; number < 50; number += 1) revisions.commit(distinct(1, number))
    expect(isSealDue(revisions.account)).toBe(false)
    revisions.endSeal()
    expect({ isDue: isSealDue(revisions.account), unsealed: revisions.account.unsealedRevisions }).toEqual({
      isDue: true,
      unsealed: 26
    })
  })

  it("a segment is due at 256 repeated ids, even if one revision brought them all", () => {
    const ledger = makeLedger()
    const log = distinct(256)
    ledger.commit(log)
    ledger.beginSeal()
    ledger.endSeal()
    ledger.commit(deliveredAgain(log.slice(1), 1_000))
    expect(isSealDue(ledger.account)).toBe(false)
    ledger.commit(deliveredAgain(log.slice(0, 1), 2_000))
    expect(isSealDue(ledger.account)).toBe(true)
  })

  it("a revision waits behind 32 unsealed revisions, or 1,024 unsealed ids while a segment is being stored", () => {
    const revisions = makeLedger()
    for (let number = 0; number < unsealedRevisionsMax; number += 1) revisions.commit(distinct(1, number))
    // While no segment is in flight, there is nothing to wait for.
    expect(mustAwaitSeal(revisions.account)).toBe(false)
    revisions.beginSeal()
    expect(mustAwaitSeal(revisions.account)).toBe(true)
    revisions.endSeal()
    expect({ mustWait: mustAwaitSeal(revisions.account), unsealed: revisions.account.unsealedRevisions }).toEqual({
      mustWait: false,
      unsealed: 0
    })

    const ids = makeLedger()
    ids.commit(distinct(300))
    ids.beginSeal()
    ids.commit(distinct(1_023, 300))
    expect(mustAwaitSeal(ids.account)).toBe(false)
    ids.commit(distinct(1, 1_323))
    expect(mustAwaitSeal(ids.account)).toBe(true)
  })

  it("an account never has more than 32 unsealed revisions, even if its segments take long", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), lag, cuts, (count, commitsMeanwhile, sizes) => {
        const ledger = makeLedger()
        commitAll(ledger, grouped(distinct(count), sizes), commitsMeanwhile)
        const unsealed = ledger.revisions.map(({ revision }) => revision.unsealed)
        expect(Math.max(...unsealed)).toBeLessThanOrEqual(unsealedRevisionsMax)
      })
    )
  })

  it("ids that are too many for one segment are split into segments, and each revision stays whole", () => {
    const ledger = makeLedger()
    for (const [from, count] of [
      [0, 900],
      [900, 124],
      [1_024, 1],
      [2_000, 1_400],
      [4_000, 1]
    ] as const) {
      ledger.commit(distinct(count, from))
    }
    ledger.beginSeal()
    const sizes = ledger.segments.map((sequence) =>
      decodeSegment(ledger.texts.get(sequence) ?? "").revisions.map(({ purchaseIds }) => purchaseIds.length)
    )
    expect(sizes).toEqual([[900, 124], [1], [1_400], [1]])
  })

  it("a segment is made even if all revisions repeat one id, so that a load reads few unsealed revisions", () => {
    const ledger = makeLedger()
    const log = delivered(Array.from({ length: 300 }, () => purchaseOf(1, 5)))
    commitAll(
      ledger,
      log.map((one) => [one])
    )
    commitLast(ledger)
    expect(ledger.account.unsealedRevisions).toBeLessThanOrEqual(unsealedRevisionsMax)
    expect(contentOf(load(ledger), ["p1", "last"])).toEqual(contentOf(ledger.account, ["p1", "last"]))
    expect(load(ledger).purchaseIds.get("p1")?.repeats).toBe(log.length - 1)
  })

  it("each segment fits into a message of the broker, however many repeats come while a segment is stored", () => {
    const ledger = makeLedger()
    const long = (id: number): PurchaseId => `${id}`.padEnd(128, "購") as PurchaseId
    const sales = distinct(30_000).map((one, id) => ({ ...one, purchase: { ...one.purchase, purchaseId: long(id) } }))
    const groups = grouped(sales, [900])
    for (const group of groups) {
      ledger.seal(0)
      ledger.commit(group)
    }
    ledger.endSeal()
    ledger.beginSeal()
    for (const group of grouped(deliveredAgain(sales, 100_000), [990])) ledger.commit(group)
    ledger.endSeal()
    ledger.beginSeal()
    commitLast(ledger)
    for (const text of ledger.texts.values()) expect(Buffer.byteLength(text)).toBeLessThan(payloadMax)
    const ids = sales.map(({ purchase }) => purchase.purchaseId)
    const loaded = load(ledger)
    expect(new Set(ids.map((id) => loaded.purchaseIds.get(id)?.repeats))).toEqual(new Set([1]))
    expect(contentOf(loaded, ids)).toEqual(contentOf(ledger.account, ids))
  })
})

describe("a revision", () => {
  it("a revision names the revisions of its account before it, newest first, up to a maximum number", () => {
    const ledger = makeLedger()
    for (const one of delivered(Array.from({ length: 50 }, (_, id) => purchaseOf(id, 1)))) ledger.commit([one])
    for (const [index, { revision }] of ledger.revisions.entries()) {
      const before = ledger.revisions.slice(Math.max(0, index - previousRevisionsMax), index)
      expect(revision.previous).toEqual(before.map(({ sequence }) => sequence).toReversed())
    }
  })

  it("a revision has the exact total, even if no float can hold that total", () => {
    const account = { ...emptyAccount(), total: 9_007_199_254_740_993n }
    const revision = revisionOf(account, decide(account, delivered([purchaseOf(1, 4)])))
    expect(revision.total).toBe(9_007_199_254_741_001n)
  })
})

describe("the revisions after a commit", () => {
  it("the revisions that follow a commit come oldest first, including revisions that only count repeats", () => {
    fc.assert(
      fc.property(
        purchases,
        cuts,
        fc.nat({ max: 900 }),
        fc.integer({ min: 1, max: 10 }),
        (all, sizes, after, limit) => {
          const ledger = makeLedger()
          commitAll(ledger, grouped(delivered(all), sizes))
          const expected = ledger.revisions.map(({ sequence }) => sequence).filter((sequence) => sequence > after)
          expect(revisionsAfter(ledger.account, after, limit)).toEqual(expected.slice(0, limit))
          expect(revisionsAfter(load(ledger), after, limit)).toEqual(expected.slice(0, limit))
        }
      )
    )
  })
})
