import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type Account,
  decide,
  type Delivered,
  type DeliveredReversal,
  emptyAccount,
  evolve,
  sealedPartOf,
  type SealedPart,
  takeSealedParts,
  takeSegment
} from "../../src/account/Account.ts"
import { reversalSetId } from "../../src/account/Entry.ts"
import type { PurchaseId, ReversalId, UserId } from "../../src/account/Identifier.ts"
import { type Purchase, purchaseTotal, sameContent } from "../../src/account/Purchase.ts"
import { copiedBytesMax } from "../../src/account/Reversing.ts"
import type { RefusalReason } from "../../src/account/Reversal.ts"
import { linksAfter } from "../../src/account/Segment.ts"
import { decodeRevision } from "../../src/protocol/RevisionCodec.ts"
import { decodeSegment } from "../../src/protocol/SegmentCodec.ts"
import { AccountLedger } from "../support/AccountLedger.ts"

/** A ledger of one account in memory. */
const makeLedger = () => {
  const texts = new Map<number, string>()
  const store = (text: string) => {
    texts.set(texts.size + 1, text)
    return texts.size
  }
  return Object.assign(new AccountLedger("ann", { commit: store, segment: store }), { texts })
}
type Ledger = ReturnType<typeof makeLedger>

/** Reads the account from the stored records. */
const load = (ledger: Ledger): Account => {
  const account = emptyAccount()
  const newest = ledger.revisions.at(-1)?.revision
  if (newest === undefined) return account
  const order = new Map<number, SealedPart>()
  for (let wanted = newest.segment === 0 ? [] : [newest.segment]; wanted.length > 0;) {
    const at = wanted.shift() as number
    if (order.has(at)) continue
    const segment = decodeSegment(ledger.texts.get(at) ?? "")
    takeSegment(account, segment)
    if (at === newest.segment) account.links = linksAfter(segment.links, at)
    order.set(at, sealedPartOf(segment))
    wanted = [...wanted, ...segment.links.before, ...segment.links.directories]
  }
  account.segment = newest.segment
  const sealed = [...order].sort(([one], [other]) => one - other).map(([, part]) => part)
  takeSealedParts(account, sealed)
  for (const { sequence, line } of ledger.revisions.slice(-newest.unsealed)) {
    evolve(account, decodeRevision(line), sequence)
  }
  return account
}

const place = { inputSequence: 0, inputIndex: 0, storedAt: 1_000 }
const purchaseOf = (id: number, value: number): Purchase => ({
  purchaseId: `p${id}` as PurchaseId,
  userId: "ann" as UserId,
  productName: "Lamp",
  productType: "Furniture",
  valueCents: BigInt(value),
  quantity: 1 + (value % 4)
})
const reversalOf = (id: string, purchase: number, quantity?: number, reason = "Broken"): DeliveredReversal => ({
  ...place,
  reversal: {
    reversalId: id as ReversalId,
    userId: "ann" as UserId,
    purchaseId: `p${purchase}` as PurchaseId,
    reason,
    ...(quantity === undefined ? {} : { quantity })
  }
})
const bought = (id: number, value: number): Delivered => ({ ...place, purchase: purchaseOf(id, value) })

/** Numbers deliveries as a log of messages with `perMessage` deliveries each. */
const logOf = (all: ReadonlyArray<Delivered>, perMessage = 1): Array<Delivered> =>
  all.map((one, index) => ({
    ...one,
    inputSequence: 1 + Math.floor(index / perMessage),
    inputIndex: index % perMessage,
    storedAt: 1_000 + index
  }))

/** Keeps every purchase with the pieces that are left, every reversal, and every refusal. */
class NaiveAccount {
  total = 0n
  readonly purchases = new Map<string, { readonly purchase: Purchase; left: number }>()
  readonly reversals = new Map<string, { readonly request: string; readonly pieces: number }>()
  readonly counts = new Map<string, { repeats: number; conflicts: number }>()
  readonly refusals: Array<RefusalReason> = []
  /** The purchase id and the pieces of each applied reversal, in order. */
  readonly taken: Array<readonly [string, number]> = []

  take({ purchase, reversal }: Delivered): void {
    if (purchase !== undefined) return this.buy(purchase)
    const { reversalId, purchaseId, quantity, reason } = reversal
    const request = JSON.stringify([purchaseId, quantity ?? 0, reason])
    const known = this.reversals.get(reversalId)
    if (known !== undefined) return this.again(reversalSetId(reversalId), known.request === request)
    const found = this.purchases.get(purchaseId)
    if (found === undefined) return void this.refusals.push("no-purchase")
    const { left } = found
    if (left === 0) return void this.refusals.push("nothing-left")
    if (quantity !== undefined && quantity > left) return void this.refusals.push("more-than-left")
    const pieces = quantity ?? left
    found.left -= pieces
    this.total -= found.purchase.valueCents * BigInt(pieces)
    this.reversals.set(reversalId, { request, pieces })
    this.taken.push([purchaseId, pieces])
  }

  private buy(purchase: Purchase): void {
    const known = this.purchases.get(purchase.purchaseId)
    if (known !== undefined) return this.again(purchase.purchaseId, sameContent(known.purchase, purchase))
    this.purchases.set(purchase.purchaseId, { purchase, left: purchase.quantity })
    this.total += purchaseTotal(purchase)
  }

  private again(setId: string, isSame: boolean): void {
    const { repeats, conflicts } = this.counts.get(setId) ?? { repeats: 0, conflicts: 0 }
    this.counts.set(setId, { repeats: repeats + (isSame ? 1 : 0), conflicts: conflicts + (isSame ? 0 : 1) })
  }
}

/** The parts of an account that queries see. */
const observed = ({ total, count, reversals, purchaseIds }: Account, naive: NaiveAccount) => ({
  total,
  count,
  reversals,
  size: purchaseIds.size,
  seen: [...naive.purchases.keys(), ...[...naive.reversals.keys()].map(reversalSetId)].map((setId) => {
    const { repeats = -1, conflicts = -1, reversed = -1 } = purchaseIds.get(setId) ?? {}
    return { setId, repeats, conflicts, reversed }
  })
})

const expectedOf = (naive: NaiveAccount) => ({
  total: naive.total,
  count: naive.purchases.size + naive.reversals.size,
  reversals: naive.reversals.size,
  size: naive.purchases.size + naive.reversals.size,
  seen: [
    ...Array.from(naive.purchases, ([setId, { purchase, left }]) => ({ setId, reversed: purchase.quantity - left })),
    ...Array.from(naive.reversals.keys(), (id) => ({ setId: reversalSetId(id), reversed: 0 }))
  ].map((one) => ({ ...one, ...(naive.counts.get(one.setId) ?? { repeats: 0, conflicts: 0 }) }))
})

const purchases = fc
  .tuple(fc.nat({ max: 12 }), fc.integer({ min: 1, max: 8 }))
  .map(([id, value]): Delivered => bought(id, value))
const reversals = fc
  .tuple(
    fc.nat({ max: 20 }),
    fc.nat({ max: 14 }),
    fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
    fc.constantFrom("Broken", "Late")
  )
  // A reversal may have the id of a purchase.
  .map(([id, purchase, quantity, reason]): Delivered => reversalOf(`p${id}`, purchase, quantity, reason))
const requests = fc.array(fc.oneof(purchases, reversals), { minLength: 1, maxLength: 200, size: "max" })
const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 })
const rewinds = fc.array(fc.option(fc.nat({ max: 12 }), { nil: undefined }), { maxLength: 60 })

/** Cuts a log into groups that end with a whole message. */
const grouped = (log: ReadonlyArray<Delivered>, messages: number, from: number): ReadonlyArray<Delivered> =>
  log.filter(({ inputSequence }) => inputSequence >= from && inputSequence < from + messages)

describe("decide with reversals", () => {
  it("an account agrees with a simple model of purchases and pieces, over any requests, crashes and loads", () => {
    fc.assert(
      fc.property(
        requests,
        fc.integer({ min: 1, max: 5 }),
        cuts,
        fc.nat({ max: 20 }),
        rewinds,
        (all, perMessage, sizes, commitsMeanwhile, again) => {
          const ledger = makeLedger()
          const log = logOf(all, perMessage)
          const last = log.at(-1)?.inputSequence ?? 0
          const refused = new Map<string, RefusalReason>()
          let from = 1
          for (let step = 0; from <= last; step += 1) {
            const messages = sizes[step % sizes.length] ?? 1
            ledger.seal(commitsMeanwhile)
            for (const { delivered, reason } of ledger.commit(grouped(log, messages, from)).refusals) {
              const key = `${delivered.inputSequence}.${delivered.inputIndex}`
              // A refusal that is decided again after a crash has the same reason.
              expect(refused.get(key) ?? reason).toBe(reason)
              refused.set(key, reason)
            }
            from += messages
            const rewind = again[step]
            if (rewind === undefined) continue
            ledger.restart(load(ledger))
            from = Math.max(1, from - rewind)
          }
          const naive = new NaiveAccount()
          for (const one of log) naive.take(one)
          expect(observed(ledger.account, naive)).toEqual(expectedOf(naive))
          expect(observed(load(ledger), naive)).toEqual(expectedOf(naive))
          expect([...refused.values()].toSorted()).toEqual(naive.refusals.toSorted())
          const taken = ledger.revisions.flatMap(({ revision }) =>
            revision.purchases.flatMap(({ reversal, purchaseId, quantity }) =>
              reversal === undefined ? [] : [[purchaseId, quantity]]
            )
          )
          expect(taken).toEqual(naive.taken)
        }
      ),
      { numRuns: 300 }
    )
  })

  it("the reversals of a purchase are found from the newest on, each through the reversal after it", () => {
    fc.assert(
      fc.property(requests, cuts, fc.nat({ max: 20 }), (all, sizes, commitsMeanwhile) => {
        const ledger = makeLedger()
        let from = 1
        for (let step = 0; from <= all.length; step += 1) {
          ledger.seal(commitsMeanwhile)
          ledger.commit(grouped(logOf(all), sizes[step % sizes.length] ?? 1, from))
          from += sizes[step % sizes.length] ?? 1
        }
        const entriesAt = new Map(ledger.revisions.map(({ sequence, revision }) => [sequence, revision.purchases]))
        for (const account of [ledger.account, load(ledger)]) {
          const naive = new NaiveAccount()
          for (const one of all) naive.take(one)
          for (const [purchaseId, { purchase, left }] of naive.purchases) {
            const found: Array<number> = []
            for (let at = account.purchaseIds.get(purchaseId)?.lastReversal ?? 0; at > 0;) {
              const ofPurchase = (entriesAt.get(at) ?? []).filter(
                (entry) => entry.reversal !== undefined && entry.purchaseId === purchaseId
              )
              found.push(...ofPurchase.map(({ quantity }) => quantity))
              at = ofPurchase[0]?.reversal?.previous ?? 0
            }
            expect(found.reduce((sum, pieces) => sum + pieces, 0)).toBe(purchase.quantity - left)
            expect(found).toHaveLength(naive.taken.filter(([id]) => id === purchaseId).length)
          }
        }
      }),
      { numRuns: 200 }
    )
  })

  it("a reversal in the message of its purchase is applied only if the reversal stands after the purchase", () => {
    const ledger = makeLedger()
    const log = logOf([reversalOf("r1", 1), bought(1, 3), reversalOf("r2", 1, 3), reversalOf("r3", 1)], 4)
    const { applied, refusals, total } = ledger.commit(log)
    expect(applied.map(({ purchaseId, quantity, reversal }) => [purchaseId, quantity, reversal?.reversalId])).toEqual([
      ["p1", 4, undefined],
      ["p1", 3, "r2"],
      ["p1", 1, "r3"]
    ])
    expect(refusals).toEqual([{ delivered: log[0], reason: "no-purchase", left: 0, totalAfter: 0n }])
    expect(total).toBe(0n)
  })

  it("a reversal that was refused before a crash stays refused, although its purchase is applied by now", () => {
    const ledger = makeLedger()
    const log = logOf([reversalOf("r1", 1), bought(1, 3)], 2)
    expect(ledger.commit(log).refusals).toHaveLength(1)
    ledger.restart(load(ledger))
    const again = ledger.commit(log)
    expect({ applied: again.applied, refusals: again.refusals }).toEqual({ applied: [], refusals: [] })
    expect(ledger.account.reversals).toBe(0)
  })

  it("the entry of a reversal has the content of its purchase, the asked pieces and the reason", () => {
    const ledger = makeLedger()
    ledger.commit(logOf([bought(1, 7)]))
    const [first] = ledger.commit([{ ...reversalOf("r1", 1, 3, "Too dark"), inputSequence: 2 }]).applied
    const [second] = ledger.commit([{ ...reversalOf("r2", 1), inputSequence: 3 }]).applied
    const { userId: _userId, ...content } = purchaseOf(1, 7)
    const at = { inputIndex: 0, storedAt: 1_000 }
    const { sequence } = ledger.revisions[1] ?? { sequence: 0 }
    expect(first).toEqual({
      ...content,
      ...at,
      inputSequence: 2,
      quantity: 3,
      reversal: { reversalId: "r1", reason: "Too dark", asked: 3, previous: 0 }
    })
    expect(second).toEqual({
      ...content,
      ...at,
      inputSequence: 3,
      quantity: 1,
      reversal: { reversalId: "r2", reason: "Broken", asked: 0, previous: sequence }
    })
    expect(ledger.account.total).toBe(0n)
  })

  it("a refusal says how many pieces are left, and the total at the time of the refusal", () => {
    const ledger = makeLedger()
    const log = logOf([bought(1, 3), reversalOf("r1", 1, 3), reversalOf("r2", 1, 2), bought(2, 4)], 4)
    const { refusals } = ledger.commit(log)
    expect(refusals).toEqual([{ delivered: log[2], reason: "more-than-left", left: 1, totalAfter: 3n }])
    const [nothing] = ledger.commit(
      [reversalOf("r3", 1), reversalOf("r4", 1)].map((one) => ({ ...one, inputSequence: 2 }))
    ).refusals
    expect(nothing).toMatchObject({ reason: "nothing-left", left: 0, totalAfter: 4n })
  })

  it("reversals of one message are refused when the product names that they copy have too many bytes", () => {
    const ledger = makeLedger()
    const long = "\u{1F4A1}".repeat(200)
    const many = Array.from({ length: 300 }, (_, id) => id)
    ledger.commit(
      many.map((id) => ({ ...place, purchase: { ...purchaseOf(id, 1), productName: long, productType: long } }))
    )
    const before = ledger.account.total
    const message = many.map((id) => ({ ...reversalOf(`r${id}`, id), inputSequence: 1 }))
    const { applied, refusals } = ledger.commit(message)
    const roomFor = Math.floor(copiedBytesMax / (2 * Buffer.byteLength(long)))
    expect(applied).toHaveLength(roomFor)
    expect(new Set(refusals.map(({ reason }) => reason))).toEqual(new Set(["message-too-large"]))
    expect(ledger.account.total).toBe(before - BigInt(roomFor) * purchaseTotal(purchaseOf(1, 1)))
    // The message after that has its own room for product names.
    expect(ledger.commit([{ ...reversalOf("r299", 299), inputSequence: 2 }]).refusals).toEqual([])
  })

  it("each segment fits into a message of the broker, even if all ids are longest, repeated and reversed", () => {
    const ledger = makeLedger()
    const idOf = (id: number) =>
      String.fromCodePoint(0x1f400 + (id % 128), 0x1f600 + Math.floor(id / 128)) + "\u{1F4A1}".repeat(126)
    const ids = Array.from({ length: 1_000 }, (_, id) => id)
    const purchase = (id: number) => ({
      ...place,
      purchase: { ...purchaseOf(id, 1), purchaseId: idOf(id) as PurchaseId }
    })
    ledger.commit(ids.map(purchase))
    ledger.beginSeal()
    ledger.endSeal()
    ledger.commit(ids.map((id) => ({ ...purchase(id), inputSequence: 1 })))
    for (const from of [0, 250, 500, 750]) {
      const inputSequence = 2 + from
      ledger.commit(
        ids.slice(from, from + 250).map((id) => {
          const { reversal } = reversalOf(idOf(id), 0)
          return { ...place, inputSequence, reversal: { ...reversal, purchaseId: idOf(id) as PurchaseId } }
        })
      )
    }
    ledger.beginSeal()
    ledger.endSeal()
    ledger.commit([{ ...bought(1, 1), inputSequence: 9_000 }])
    expect(ledger.segments.length).toBeGreaterThan(2)
    for (const text of ledger.texts.values()) expect(Buffer.byteLength(text)).toBeLessThan(1024 * 1024)
    const loaded = load(ledger)
    expect(ids.filter((id) => loaded.purchaseIds.get(idOf(id))?.reversed !== purchaseOf(id, 1).quantity)).toEqual([])
    expect(ids.filter((id) => loaded.purchaseIds.get(idOf(id))?.repeats !== 1)).toEqual([])
  })

  it("the entries of a decision without reversals do not have the member `reversal`", () => {
    const { applied, refusals, reversals } = decide(emptyAccount(), logOf([bought(1, 3), bought(2, 3)]))
    expect(applied.map((entry) => "reversal" in entry)).toEqual([false, false])
    expect({ refusals, reversals }).toEqual({ refusals: [], reversals: 0 })
  })
})
