import { Context, Effect, Layer } from "effect"
import type { AppliedId } from "../account/PurchaseIdSet.ts"
import { visibleText } from "../account/VisibleText.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { HistoryCursor, LedgerEntry, Receipt } from "../protocol/Query.ts"
import { entriesOf, entryOf } from "../protocol/LedgerEntries.ts"
import { AccountReader, LedgerInconsistent, namedRevision, type ReadRevision } from "./AccountReader.ts"

/**
 * The number of bytes at which a page ends, so that the page fits into an answer. Each UTF-16 unit of a text counts as
 * three bytes.
 */
export const pageBytesMax = 512 * 1024

/** The most revisions that a worker reads at once for one page. */
const readsAtOnceMax = 20

/** A page of the entries of an account. */
export interface HistoryPage {
  /** The entries of the page, newest first. Only a search in the order `oldest` returns the entries oldest first. */
  readonly entries: ReadonlyArray<LedgerEntry>
  /** The start of the next page; left out on the last page. */
  readonly next?: HistoryCursor
}

/** Returns the most bytes that an entry takes in an answer. */
export const entryBytes = ({ purchaseId, productName, productType, reversal }: LedgerEntry): number =>
  3 * (purchaseId.length + productName.length + productType.length) +
  300 +
  (reversal === undefined ? 0 : 3 * (reversal.reversalId.length + reversal.reason.length))

/**
 * The sequence of the revision that applied an entry, and the counts of repeats, conflicts and reversed pieces of the
 * entry.
 */
type AppliedEntry = Omit<AppliedId, "fingerprint">

/** The page of a purchase's reversals that a caller asks for. Without `place`, the page has the newest reversals. */
interface ReversalsAsked {
  readonly limit: number
  readonly place?: HistoryCursor | undefined
}

/** The receipt of a purchase with a page of its reversals. */
interface ReceiptPage {
  readonly receipt: Receipt
  /** The start of the next page of reversals; left out on the last page. */
  readonly next?: HistoryCursor
}

type Reader = (typeof AccountReader)["Service"]

/** Returns the reversals of a purchase in a revision, newest first. */
const reversalsIn = (stored: ReadRevision, purchaseId: string): ReadonlyArray<LedgerEntry> =>
  entriesOf(stored).filter((entry) => entry.reversal !== undefined && entry.purchaseId === purchaseId)

/**
 * Reads at most `limit` reversals of a purchase, newest first. Begins at the revision `start`, and leaves out the
 * `taken` newest reversals of `start`. Each revision names the next earlier revision with a reversal of the purchase.
 */
const reversalsFrom = Effect.fnUntraced(function* (
  reader: Reader,
  userToken: string,
  purchaseId: string,
  start: ReadRevision,
  taken: number,
  limit: number
): Effect.fn.Return<HistoryPage, BrokerFailure | LedgerInconsistent> {
  const entries: Array<LedgerEntry> = []
  let stored = start
  let skipped = taken
  while (true) {
    const { sequence } = stored
    const reversals = reversalsIn(stored, purchaseId)
    const end = skipped + limit - entries.length
    entries.push(...reversals.slice(skipped, end))
    if (end < reversals.length) return { entries, next: { revision: sequence, taken: end } }
    const earlier = reversals.at(-1)?.reversal?.previous
    if (earlier === undefined || earlier >= sequence) {
      return yield* new LedgerInconsistent({
        problem: `account ${userToken}: revision ${sequence} names no earlier reversal of purchase ${purchaseId}`
      })
    }
    if (earlier === 0) return { entries }
    if (entries.length === limit) return { entries, next: { revision: earlier, taken: 0 } }
    stored = yield* namedRevision(reader, userToken, earlier)
    skipped = 0
  }
})

/**
 * Reads a page of the reversals of a purchase. `newest` is the sequence of the newest commit with a reversal of the
 * purchase; 0 without a reversal. Returns `undefined` if the cursor is not a cursor of the purchase's reversals.
 */
const reversalPage = Effect.fnUntraced(function* (
  reader: Reader,
  userToken: string,
  purchaseId: string,
  newest: number,
  { place, limit }: ReversalsAsked
) {
  if (place === undefined && newest === 0) return { entries: [] } satisfies HistoryPage
  const { revision, taken } = place ?? { revision: newest, taken: 0 }
  const start = yield* place === undefined
    ? namedRevision(reader, userToken, revision)
    : reader.revisionAt(userToken, revision)
  if (start === undefined) return undefined
  if (place !== undefined && taken >= reversalsIn(start, purchaseId).length) return undefined
  return yield* reversalsFrom(reader, userToken, purchaseId, start, taken, limit)
})

/** Reads applied purchases and reversals. Revisions never change, so no read waits for the account's actor. */
export class History extends Context.Service<
  History,
  {
    /**
     * Returns the page of at most `limit` entries that begins at a cursor. Returns `undefined` if the cursor is not a
     * cursor of this account. Fails with `LedgerInconsistent` if a revision that the account names is missing.
     */
    readonly page: (
      userToken: string,
      cursor: HistoryCursor,
      limit: number
    ) => Effect.Effect<HistoryPage | undefined, BrokerFailure | LedgerInconsistent>
    /**
     * Returns the receipt of an entry without reversals, given the id of the entry in the purchaseId set. `applied` has
     * the sequence of the revision that applied the entry, and the counts of the entry. Fails with `LedgerInconsistent`
     * if a revision is missing, or lacks the entry.
     */
    readonly receipt: (
      userToken: string,
      setId: string,
      applied: AppliedEntry
    ) => Effect.Effect<Receipt, BrokerFailure | LedgerInconsistent>
    /**
     * Returns the receipt of a purchase with a page of its reversals, newest first. Reads at most as many revisions as
     * the page has room for, and two more. Returns `undefined` if the cursor is not a cursor of the purchase's reversals.
     * Fails as `receipt` fails.
     */
    readonly receiptPage: (
      userToken: string,
      purchaseId: string,
      applied: AppliedEntry,
      asked: ReversalsAsked
    ) => Effect.Effect<ReceiptPage | undefined, BrokerFailure | LedgerInconsistent>
  }
>()("purchases/ledger/History") {
  static readonly layer = Layer.effect(
    History,
    Effect.gen(function* () {
      const reader = yield* AccountReader

      const page = Effect.fnUntraced(function* (userToken: string, cursor: HistoryCursor, limit: number) {
        const start = yield* reader.revisionAt(userToken, cursor.revision)
        if (start === undefined || cursor.taken > start.revision.purchases.length) return undefined
        const entries: Array<LedgerEntry> = []
        let waiting: Array<ReadRevision> = [start]
        let skip = cursor.taken
        let bytes = 0
        let oldest = start
        while (true) {
          for (const stored of waiting) {
            const all = entriesOf(stored)
            for (const entry of all.slice(skip)) {
              if (entries.length === limit || bytes >= pageBytesMax) break
              entries.push(entry)
              bytes += entryBytes(entry)
              skip += 1
            }
            if (entries.length === limit || bytes >= pageBytesMax) {
              const more = skip < all.length || stored.revision.previous.length > 0
              return more ? { entries, next: { revision: stored.sequence, taken: skip } } : { entries }
            }
            skip = 0
            oldest = stored
          }
          const wanted = oldest.revision.previous.slice(0, Math.min(readsAtOnceMax, limit - entries.length))
          if (wanted.length === 0) return { entries }
          waiting = yield* Effect.forEach(wanted, (sequence) => namedRevision(reader, userToken, sequence), {
            concurrency: readsAtOnceMax
          })
        }
      })

      const receipt = Effect.fnUntraced(function* (userToken: string, setId: string, applied: AppliedEntry) {
        const stored = yield* namedRevision(reader, userToken, applied.sequence)
        const entry = entryOf(stored, setId)
        if (entry === undefined) {
          return yield* new LedgerInconsistent({
            problem: `account ${userToken}: revision ${applied.sequence} does not hold entry ${visibleText(setId)}`
          })
        }
        const { repeats, conflicts, reversed } = applied
        return { entry, appliedAt: stored.storedAt, repeats, conflicts, reversed, reversals: [] }
      })

      const receiptPage = Effect.fnUntraced(function* (
        userToken: string,
        purchaseId: string,
        applied: AppliedEntry,
        asked: ReversalsAsked
      ) {
        const found = yield* receipt(userToken, purchaseId, applied)
        const reversals = yield* reversalPage(reader, userToken, purchaseId, applied.lastReversal, asked)
        if (reversals === undefined) return undefined
        const { entries, next } = reversals
        return { receipt: { ...found, reversals: entries }, ...(next === undefined ? {} : { next }) }
      })

      return History.of({ page, receipt, receiptPage })
    })
  )
}
