import { Context, Effect, Layer } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { HistoryCursor, LedgerEntry, Receipt } from "../protocol/Query.ts"
import { entriesOf, entryOf } from "../protocol/LedgerEntries.ts"
import { AccountReader, LedgerInconsistent, namedRevision, type ReadRevision } from "./AccountReader.ts"

/** A page ends at this many bytes, so that it fits into an answer. A UTF-16 unit counts as three bytes. */
export const pageBytesMax = 512 * 1024

/** The most revisions that are read at once for one page. */
const readsAtOnceMax = 20

/** A page of the purchases of an account. */
export interface HistoryPage {
  /** The purchases of the page, newest first. */
  readonly entries: ReadonlyArray<LedgerEntry>
  /** The start of the next page; left out on the last page. */
  readonly next?: HistoryCursor
}

const bytesOf = (entry: LedgerEntry): number =>
  3 * (entry.purchaseId.length + entry.productName.length + entry.productType.length) + 300

/** Reads applied purchases. Revisions never change, so no read waits for the account's actor. */
export class History extends Context.Service<
  History,
  {
    /**
     * Returns the page of at most `limit` purchases that begins at a cursor. Returns `undefined` if the cursor is not
     * one of this account. Fails with `LedgerInconsistent` if a revision that the account names is missing.
     */
    readonly page: (
      userToken: string,
      cursor: HistoryCursor,
      limit: number
    ) => Effect.Effect<HistoryPage | undefined, BrokerFailure | LedgerInconsistent>
    /**
     * Returns the receipt of a purchase. `applied` has the sequence of the revision that applied it, and its repeats
     * and conflicts. Fails with `LedgerInconsistent` if that revision is missing or does not hold the purchase.
     */
    readonly receipt: (
      userToken: string,
      purchaseId: string,
      applied: { readonly sequence: number; readonly repeats: number; readonly conflicts: number }
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
              bytes += bytesOf(entry)
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
        purchaseId: string,
        applied: { readonly sequence: number; readonly repeats: number; readonly conflicts: number }
      ) {
        const stored = yield* namedRevision(reader, userToken, applied.sequence)
        const entry = entryOf(stored, purchaseId)
        if (entry === undefined) {
          return yield* new LedgerInconsistent({
            problem: `account ${userToken}: revision ${applied.sequence} does not hold purchase ${purchaseId}`
          })
        }
        return { entry, appliedAt: stored.storedAt, repeats: applied.repeats, conflicts: applied.conflicts }
      })

      return History.of({ page, receipt })
    })
  )
}
