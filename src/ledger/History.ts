import { Context, Effect, Layer } from "effect"
import type { AppliedId } from "../account/PurchaseIdSet.ts"
import { visibleText } from "../account/VisibleText.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { type HistoryCursor, type LedgerEntry, type Receipt, receiptReversalsMax } from "../protocol/Query.ts"
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

/**
 * Reads the newest reversals of a purchase, newest first, beginning with the newest commit that has a reversal of the
 * purchase.
 */
const reversalsOf = Effect.fnUntraced(function* (
  reader: (typeof AccountReader)["Service"],
  userToken: string,
  purchaseId: string,
  newest: number
) {
  const entries: Array<LedgerEntry> = []
  for (let sequence = newest; sequence > 0 && entries.length < receiptReversalsMax;) {
    const stored = yield* namedRevision(reader, userToken, sequence)
    const reversals = entriesOf(stored).filter(
      (entry) => entry.reversal !== undefined && entry.purchaseId === purchaseId
    )
    entries.push(...reversals)
    const earlier = reversals.at(-1)?.reversal?.previous
    if (earlier === undefined || earlier >= sequence) {
      return yield* new LedgerInconsistent({
        problem: `account ${userToken}: revision ${sequence} names no earlier reversal of purchase ${purchaseId}`
      })
    }
    sequence = earlier
  }
  return entries.slice(0, receiptReversalsMax)
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
     * Returns the receipt of an entry, given its id in the purchaseId set. Reads the newest reversals of a purchase
     * only if `withReversals` is `true`. `applied` has the sequence of the revision that applied the entry, and the
     * counts of the entry. Fails with `LedgerInconsistent` if a revision is missing, or lacks the entry.
     */
    readonly receipt: (
      userToken: string,
      setId: string,
      applied: AppliedEntry,
      withReversals: boolean
    ) => Effect.Effect<Receipt, BrokerFailure | LedgerInconsistent>
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

      const receipt = Effect.fnUntraced(function* (
        userToken: string,
        setId: string,
        applied: AppliedEntry,
        withReversals: boolean
      ) {
        const stored = yield* namedRevision(reader, userToken, applied.sequence)
        const entry = entryOf(stored, setId)
        if (entry === undefined) {
          return yield* new LedgerInconsistent({
            problem: `account ${userToken}: revision ${applied.sequence} does not hold entry ${visibleText(setId)}`
          })
        }
        const { repeats, conflicts, reversed, lastReversal } = applied
        const reversals = withReversals ? yield* reversalsOf(reader, userToken, entry.purchaseId, lastReversal) : []
        return { entry, appliedAt: stored.storedAt, repeats, conflicts, reversed, reversals }
      })

      return History.of({ page, receipt })
    })
  )
}
