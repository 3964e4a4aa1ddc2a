import { setImmediate as turn } from "node:timers/promises"
import { Effect, Layer } from "effect"
import { array, assert, asyncProperty, constantFrom, integer, option, record, tuple } from "fast-check"
import { describe, expect, it } from "vitest"
import { SealMarks } from "../../src/account/SealMarks.ts"
import { seeded } from "../../src/harness/system/Random.ts"
import { AccountReader, type ReadRevision } from "../../src/ledger/AccountReader.ts"
import { type HistoryAsked, HistorySearch, type SearchedAccount } from "../../src/ledger/HistorySearch.ts"
import { entriesOf } from "../../src/protocol/LedgerEntries.ts"
import {
  entriesScannedMax,
  type HistoryCursor,
  type HistoryFilter,
  type LedgerEntry,
  revisionsScannedMax
} from "../../src/protocol/Query.ts"

interface Bought {
  readonly storedAt: number
  readonly product: string
  readonly type: string
}

/**
 * An account to which a test adds revisions, and whose reads the test counts. Commits of other accounts lie between the
 * commits of this account.
 */
class GrowingAccount {
  readonly revisions = new Map<number, ReadRevision>()
  readonly sequences: Array<number> = []
  count = 0
  storedThrough = 0
  total = 0n
  read: Array<number> = []
  /** The number of times that a read had to wait for other reads of the same page. */
  rounds = 0
  private inFlight = 0
  private marks: SealMarks | undefined

  /** Makes the mark of a segment that covers all entries. */
  seal(): void {
    this.marks ??= new SealMarks()
    this.marks.add({ index: this.sequences.length, number: this.count, storedAt: this.storedThrough })
  }

  add(purchases: ReadonlyArray<Bought>): void {
    const sequence = 3 * (this.sequences.length + 1)
    const bought = purchases.map(({ storedAt, product, type }, inputIndex) => ({
      purchaseId: `p${this.count + inputIndex + 1}`,
      productName: product,
      productType: type,
      valueCents: BigInt(this.count + inputIndex + 1),
      quantity: 1,
      inputSequence: sequence,
      inputIndex,
      storedAt
    }))
    for (const { valueCents, storedAt } of bought) {
      this.total += valueCents
      this.storedThrough = storedAt
    }
    this.count += bought.length
    const { total, count } = this
    const rest = { reversals: 0, decidedThrough: 0, repeats: new Map(), previous: [], unsealed: 1, segment: 0 }
    this.revisions.set(sequence, { sequence, storedAt: 0, revision: { total, count, purchases: bought, ...rest } })
    this.sequences.push(sequence)
  }

  /** Returns all entries, oldest first. */
  entries(): Array<LedgerEntry> {
    return [...this.revisions.values()].flatMap((stored) => entriesOf(stored).toReversed())
  }

  /** A search that has read nothing of the account yet. */
  private search = this.newSearch()

  private newSearch() {
    const reader = Layer.mock(AccountReader, {
      revisionAt: (_user, sequence) => {
        this.read.push(sequence)
        if (this.inFlight === 0) this.rounds += 1
        this.inFlight += 1
        return Effect.promise(async () => {
          await turn()
          this.inFlight -= 1
          return this.revisions.get(sequence)
        })
      }
    })
    return Effect.runSync(Effect.provide(HistorySearch, HistorySearch.layer.pipe(Layer.provide(reader))))
  }

  /** Replaces the search by a new search, as after a restart of the worker. */
  forget(): void {
    this.search = this.newSearch()
  }

  /** Returns the account as of now. The lists of the account also show what comes later. */
  moment(): SearchedAccount {
    return {
      applying: { sequences: this.sequences, count: this.sequences.length },
      newest: { number: this.count, storedAt: this.storedThrough },
      marks: this.marks
    }
  }

  page(asked: HistoryAsked, account = this.moment()) {
    return Effect.runPromise(this.search.page("ann", account, asked))
  }
}

const fits = (
  { from, to, after, before, product, productType }: HistoryFilter,
  { number, storedAt, productName, productType: type }: LedgerEntry
): boolean =>
  (from === undefined || storedAt >= from) &&
  (to === undefined || storedAt < to) &&
  (after === undefined || number > after) &&
  (before === undefined || number < before) &&
  (product === undefined || productName === product) &&
  (productType === undefined || type === productType)

const products = constantFrom("Lamp", "Desk", "Chair")
const types = constantFrom("Office", "Home")
/** Revisions whose times never fall. Many purchases have equal times, also in different revisions. */
const revisions = array(
  array(record({ step: integer({ min: 0, max: 3 }), product: products, type: types }), { minLength: 1, maxLength: 6 }),
  {
    maxLength: 60
  }
)
const maybe = <A>(arbitrary: Parameters<typeof option<A>>[0]) => option(arbitrary, { nil: undefined })
const filters = record({
  from: maybe(integer({ min: -2, max: 250 })),
  to: maybe(integer({ min: -2, max: 250 })),
  after: maybe(integer({ min: 0, max: 200 })),
  before: maybe(integer({ min: 1, max: 200 })),
  product: maybe(products),
  productType: maybe(types)
}).map((drawn): HistoryFilter => Object.fromEntries(Object.entries(drawn).filter(([, value]) => value !== undefined)))
const orders = constantFrom("newest", "oldest")
const limits = array(integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 })

/** The numbers of revisions that the segments of an account cover, one segment after the other. */
const seals = array(integer({ min: 1, max: 8 }), { maxLength: 20 })

/** Makes an account. The revisions after the last segment are in no segment. */
const accountOf = (
  drawn: ReadonlyArray<ReadonlyArray<{ step: number; product: string; type: string }>>,
  covered: ReadonlyArray<number>
) => {
  const account = new GrowingAccount()
  let storedAt = 0
  const segments = covered.values()
  let nextSeal = segments.next().value ?? 0
  for (const group of drawn) {
    account.add(group.map(({ step, product, type }) => ({ storedAt: (storedAt += step), product, type })))
    nextSeal -= 1
    if (nextSeal !== 0) continue
    account.seal()
    nextSeal = segments.next().value ?? 0
  }
  return account
}

/** Follows the cursors from the first page to the last page. `between` runs before each further page. */
const walk = async (
  account: GrowingAccount,
  asked: Omit<HistoryAsked, "limit" | "place">,
  sizes: ReadonlyArray<number>,
  between: (page: number) => void = () => undefined
): Promise<Array<LedgerEntry>> => {
  const found: Array<LedgerEntry> = []
  let place: HistoryCursor | undefined
  for (let page = 0; ; page += 1) {
    const limit = sizes[page % sizes.length] ?? 1
    const read = await account.page({ ...asked, limit, place })
    if (read === undefined) throw new Error("the cursor was refused")
    expect(read.entries.length).toBeLessThanOrEqual(limit)
    found.push(...read.entries)
    if (read.next === undefined) return found
    place = read.next
    between(page)
  }
}

const inOrder = (order: HistoryAsked["order"], entries: ReadonlyArray<LedgerEntry>) =>
  order === "oldest" ? [...entries] : entries.toReversed()
const numbersOf = (entries: ReadonlyArray<LedgerEntry>) => entries.map(({ number }) => number)

describe("pages of a filtered history", () => {
  it("the pages of a filtered history hold each matching entry of the whole history once and in order", () =>
    assert(
      asyncProperty(revisions, seals, filters, orders, limits, async (drawn, covered, filter, order, sizes) => {
        const account = accountOf(drawn, covered)
        const found = await walk(account, { order, filter }, sizes)
        const all = account.entries().filter((entry) => fits(filter, entry))
        expect(found).toEqual(inOrder(order, all))
      }),
      { numRuns: 500 }
    ))

  it("the pages of a filtered history neither miss nor repeat an entry while purchases are added", () =>
    assert(
      asyncProperty(
        revisions,
        seals,
        revisions,
        filters,
        orders,
        limits,
        async (drawn, covered, later, filter, order, sizes) => {
          const account = accountOf(drawn, covered)
          const before = account.entries().filter((entry) => fits(filter, entry))
          const found = await walk(account, { order, filter }, sizes, (page) => {
            const group = later[page]
            let storedAt = account.storedThrough
            if (group !== undefined) {
              account.add(group.map(({ step, product, type }) => ({ storedAt: (storedAt += step), product, type })))
            }
          })
          const after = account.entries().filter((entry) => fits(filter, entry))
          // In the order "newest" the pages lead away from new purchases. In the order "oldest" the pages lead towards
          // new purchases.
          const first = numbersOf(inOrder(order, before))
          const numbers = numbersOf(found)
          if (order === "newest") expect(numbers).toEqual(first)
          else expect(numbers).toEqual(numbersOf(after).slice(0, Math.max(first.length, numbers.length)))
        }
      ),
      { numRuns: 300 }
    ))

  it("a search finds the right entries after many searches of the same account, and while the account grows", () =>
    assert(
      asyncProperty(
        revisions,
        seals,
        array(tuple(revisions, filters, orders), { maxLength: 8 }),
        async (drawn, covered, steps) => {
          const account = accountOf(drawn, covered)
          for (const [later, filter, order] of steps) {
            const page = await account.page({ order, filter, limit: 5 })
            const all = account.entries().filter((entry) => fits(filter, entry))
            expect(numbersOf(page?.entries ?? [])).toEqual(numbersOf(inOrder(order, all).slice(0, 5)))
            for (const group of later.slice(0, 5)) {
              let storedAt = account.storedThrough
              account.add(group.map(({ step, product, type }) => ({ storedAt: (storedAt += step), product, type })))
            }
            if (order === "newest") account.seal()
          }
        }
      ),
      { numRuns: 200 }
    ))

  it("a page of an account as of one moment has no later entry, although the account has later segments", () =>
    assert(
      asyncProperty(revisions, seals, revisions, filters, orders, async (drawn, covered, later, filter, order) => {
        const account = accountOf(drawn, covered)
        account.seal()
        const moment = account.moment()
        const fitting = account.entries().filter((entry) => fits(filter, entry))
        let { storedThrough: storedAt } = account
        for (const group of later) {
          account.add(group.map(({ step, product, type }) => ({ storedAt: (storedAt += step), product, type })))
          account.seal()
        }
        const page = await account.page({ order, filter, limit: 5 }, moment)
        expect(numbersOf(page?.entries ?? [])).toEqual(numbersOf(inOrder(order, fitting).slice(0, 5)))
      }),
      { numRuns: 300 }
    ))

  const singles = (count: number, timeOf: (index: number) => number) => {
    const account = new GrowingAccount()
    for (let index = 0; index < count; index += 1) {
      account.add([{ storedAt: timeOf(index), product: "Lamp", type: "Office" }])
    }
    return account
  }

  it("a page without a matching entry ends at the bound of revisions, and its cursor leads on", async () => {
    const account = singles(3 * revisionsScannedMax, (index) => index)
    const asked = { order: "newest", filter: { product: "Desk" }, limit: 20 } as const
    const page = await account.page(asked)
    expect({ page, reads: account.read.length }).toEqual({
      page: { entries: [], next: { revision: account.sequences[2 * revisionsScannedMax], taken: 1 } },
      reads: revisionsScannedMax
    })
    account.add([{ storedAt: 1_000, product: "Desk", type: "Office" }])
    expect(numbersOf(await walk(account, asked, [20]))).toEqual([3 * revisionsScannedMax + 1])
  })

  it("a page ends when the number of its inspected entries is at the bound", async () => {
    const account = new GrowingAccount()
    const size = 500
    for (let index = 0; index < 100; index += 1) {
      account.add(Array.from({ length: size }, () => ({ storedAt: index, product: "Lamp", type: "Office" })))
    }
    const page = await account.page({ order: "oldest", filter: { product: "Desk" }, limit: 20 })
    expect(page?.entries).toEqual([])
    expect(page?.next).toBeDefined()
    // A round of the search reads at most 16 revisions.
    expect(account.read.length).toBeLessThanOrEqual(entriesScannedMax / size + 16)
  })

  it.each([
    ["come evenly", (index: number) => index * 1_000],
    ["come in bursts", (index: number) => Math.floor(index / 5_000) * 86_400_000 + (index % 5_000)],
    ["come ever faster", (index: number) => Math.floor(Math.log2(index + 1) * 1_000_000)],
    ["come ever slower", (index: number) => index ** 3]
  ])("a page at any date reads few revisions if purchases %s", async (_name, timeOf) => {
    const count = 65_536
    const account = singles(count, timeOf)
    for (const share of [0, 0.001, 0.1, 0.33, 0.5, 0.77, 0.999, 1]) {
      const index = Math.min(count - 1, Math.floor(share * count))
      for (const [order, filter] of [
        ["newest", { to: timeOf(index) + 1 }],
        ["oldest", { from: timeOf(index) }]
      ] as const) {
        account.read = []
        account.forget()
        account.rounds = 0
        const page = await account.page({ order, filter, limit: 20 })
        const all = inOrder(
          order,
          account.entries().filter((entry) => fits(filter, entry))
        )
        expect(numbersOf(page?.entries ?? [])).toEqual(numbersOf(all.slice(0, 20)))
        expect({ share, order, reads: Math.max(account.read.length, 60) }).toEqual({ share, order, reads: 60 })
      }
    }
  })

  it("after an earlier search, a page at any date reads only a few revisions more than the first page", async () => {
    const account = singles(65_536, (index) => Math.floor(index / 5_000) * 86_400_000 + (index % 5_000) * 10)
    const dateAt = (index: number) => account.entries()[index]?.storedAt ?? 0
    for (let share = 0.01; share < 1; share += 0.02) {
      await account.page({ order: "newest", filter: { to: dateAt(Math.floor(share * 65_536)) }, limit: 20 })
    }
    const reads: Array<number> = []
    for (let share = 0.02; share < 1; share += 0.02) {
      account.read = []
      await account.page({ order: "newest", filter: { to: dateAt(Math.floor(share * 65_536)) }, limit: 20 })
      reads.push(account.read.length)
    }
    // The reading of the page alone takes 20 revisions, and up to 16 revisions that are too new.
    expect(reads.toSorted((one, other) => one - other)[reads.length >> 1]).toBeLessThanOrEqual(45)
  })

  /**
   * Makes an account with a mark every few revisions. The revisions have random sizes, and come at random times. Returns
   * the account with the time of its last entry.
   */
  const marked = (count: number, size: number, revisionsOfSegment: number) => {
    const account = new GrowingAccount()
    const random = seeded(size)
    let now = 0
    for (let index = 0; index < count; index += 1) {
      const entries = 1 + Math.floor(2 * (size - 1) * random())
      account.add(
        Array.from({ length: entries }, () => {
          now += Math.floor(20 * random())
          return { storedAt: now, product: "Lamp", type: "Office" }
        })
      )
      now += Math.floor((20_000 / size) * random())
      if (random() < 1 / revisionsOfSegment) account.seal()
    }
    return { account, last: now }
  }

  /** Reads pages of 20 entries at random dates. Returns the reads and the rounds of each page, sorted. */
  const costsOf = async (account: GrowingAccount, last: number) => {
    const random = seeded(last)
    const reads: Array<number> = []
    const rounds: Array<number> = []
    for (let page = 0; page < 100; page += 1) {
      const date = Math.floor(last * random())
      account.read = []
      account.rounds = 0
      account.forget()
      await account.page(
        page % 2 === 0
          ? { order: "newest", filter: { to: date }, limit: 20 }
          : { order: "oldest", filter: { from: date }, limit: 20 }
      )
      reads.push(account.read.length)
      rounds.push(account.rounds)
    }
    const sorted = (values: ReadonlyArray<number>) => values.toSorted((one, other) => one - other)
    return { reads: sorted(reads), rounds: sorted(rounds) }
  }

  it.each([
    { size: 500, revisionsOfSegment: 1.5, count: 1_000, usual: { reads: 1, rounds: 1 }, most: { reads: 3, rounds: 2 } },
    { size: 50, revisionsOfSegment: 5, count: 2_000, usual: { reads: 3, rounds: 1 }, most: { reads: 5, rounds: 3 } },
    { size: 1, revisionsOfSegment: 24, count: 20_000, usual: { reads: 22, rounds: 2 }, most: { reads: 30, rounds: 4 } }
  ])(
    "segments with times lead to a page at any date in few reads, with revisions of $size entries on average",
    async ({ size, revisionsOfSegment, count, usual, most }) => {
      const { account, last } = marked(count, size, revisionsOfSegment)
      const { reads, rounds } = await costsOf(account, last)
      const over = {
        usual: { reads: Math.max(usual.reads, reads[49] ?? 0), rounds: Math.max(usual.rounds, rounds[49] ?? 0) },
        most: { reads: Math.max(most.reads, reads[98] ?? 0), rounds: Math.max(most.rounds, rounds[98] ?? 0) }
      }
      expect(over).toEqual({ usual, most })
    }
  )

  it("a page refuses a cursor at a commit without the account, and a cursor beyond the entries of its commit", async () => {
    const account = singles(5, (index) => index)
    const asked = { order: "newest", filter: {}, limit: 2 } as const
    for (const place of [
      { revision: 4, taken: 0 },
      { revision: 18, taken: 0 },
      { revision: 3, taken: 2 }
    ]) {
      expect(await account.page({ ...asked, place })).toBeUndefined()
    }
    expect(await new GrowingAccount().page(asked)).toEqual({ entries: [] })
  })
})
