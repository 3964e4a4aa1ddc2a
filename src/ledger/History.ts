import { Context, Effect, Layer } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { HistoryCursor, LedgerEntry, Receipt } from "../protocol/Query.ts"
import { entriesOf, entryOf } from "../protocol/LedgerEntries.ts"
import { AccountReader, LedgerInconsistent, namedRevision, type ReadRevision } from "./AccountReader.ts"

/** A page ends early when it has this many bytes, so that it fits into an answer. Texts count three bytes a character. */
export const pageBytesMax = 512 * 1024

/** The most revisions of one history that are read at once. */
const readsAtOnceMax = 20

export interface HistoryPage {
  /** Newest first. */
  readonly entries: ReadonlyArray<LedgerEntry>
  readonly next?: HistoryCursor
}

const bytesOf = (entry: LedgerEntry): number =>
  3 * (entry.purchaseId.length + entry.productName.length + entry.productType.length) + 300

/** Reads applied purchases. Revisions never change, so no read has to wait for the account's actor. */
export class History extends Context.Service<
  History,
  {
    /** Returns the page that begins at a cursor; `undefined` if the cursor is not one of this account. */
    readonly page: (
      userToken: string,
      cursor: HistoryCursor,
      limit: number
    ) => Effect.Effect<HistoryPage | undefined, BrokerFailure | LedgerInconsistent>
    /** Returns the receipt of a purchase in the revision that applied it, with the repeats and conflicts since. */
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
