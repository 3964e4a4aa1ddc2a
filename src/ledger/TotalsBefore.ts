import { Context, Effect, Layer, Semaphore } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { purchaseTotal } from "../account/Purchase.ts"
import type { TotalBefore } from "../protocol/Query.ts"
import { AccountReader, type LedgerInconsistent, namedRevision, type ReadRevision } from "./AccountReader.ts"

/**
 * The most revisions that are read at once for all such questions of a worker. Revisions that are read at once may be
 * decoded without a pause between them.
 */
const readsAtOnceMax = 4
/** How often a search goes on in two halves at once. Below, the halves are searched one after the other. */
const splitsMax = 2

/** The revisions of an account that applied something, as they were at one moment. The list may grow meanwhile. */
export interface ApplyingRevisions {
  /** The sequences of their commits, oldest first. */
  readonly sequences: ReadonlyArray<number>
  readonly count: number
}

/**
 * Returns the number of a range at which a search looks next: the one that the most twos divide. Unlike the middle, it stays
 * the same while the list of numbers 1, 2, 3, … grows behind the moment that is searched.
 */
export const probeIn = (low: number, high: number): number => {
  const highestDifference = 31 - Math.clz32((low - 1) ^ high)
  return (high >>> highestDifference) << highestDifference
}

const nothing: TotalBefore = { total: 0n, count: 0 }

/** Returns the total after the last purchase of a revision that was stored before a moment; zero without one. */
const heldWithin = (stored: ReadRevision | undefined, moment: number): TotalBefore => {
  if (stored === undefined) return nothing
  const { purchases, ...after } = stored.revision
  let { total, count } = after
  for (const purchase of purchases.toReversed()) {
    if (purchase.storedAt < moment) return { total, count }
    total -= purchaseTotal(purchase)
    count -= 1
  }
  return nothing
}

/**
 * Reads the totals of an account at moments of the past. An account applies purchases in the order of the input log, so
 * the times at which the broker stored them rise. One search through the revisions finds the place of each moment. All
 * moments of a question go down the same tree. It reads no revision twice, and at most 1 + log2(revisions) a moment.
 *
 * If the broker's clock steps back, times overlap for a while. The search still sees the same revisions in the same order
 * each time, and a later moment never finds an earlier place. So answers repeat, and differences between moments add up.
 */
export class TotalsBefore extends Context.Service<
  TotalsBefore,
  {
    /** Returns the total before each moment, in the order of the moments, which are milliseconds since 1970. */
    readonly read: (
      userToken: string,
      applying: ApplyingRevisions,
      moments: ReadonlyArray<number>
    ) => Effect.Effect<ReadonlyArray<TotalBefore>, BrokerFailure | LedgerInconsistent>
  }
>()("purchases/ledger/TotalsBefore") {
  static readonly layer = Layer.effect(
    TotalsBefore,
    Effect.gen(function* () {
      const reader = yield* AccountReader
      const reads = yield* Semaphore.make(readsAtOnceMax)

      const read = Effect.fnUntraced(function* (
        userToken: string,
        applying: ApplyingRevisions,
        moments: ReadonlyArray<number>
      ) {
        const found = new Map<number, TotalBefore>()

        /** Finds the totals of moments that lie after the revision `floor`, and before the one with number `high + 1`. */
        const place = (
          low: number,
          high: number,
          floor: ReadRevision | undefined,
          wanted: ReadonlyArray<number>,
          splits: number
        ): Effect.Effect<void, BrokerFailure | LedgerInconsistent> =>
          Effect.gen(function* () {
            if (low > high) {
              for (const moment of wanted) found.set(moment, heldWithin(floor, moment))
              return
            }
            const probe = probeIn(low, high)
            const stored = yield* reads.withPermit(namedRevision(reader, userToken, applying.sequences[probe - 1] ?? 0))
            const first = stored.revision.purchases[0]?.storedAt ?? 0
            const earlier = wanted.filter((moment) => moment <= first)
            const later = wanted.filter((moment) => moment > first)
            const splitting = earlier.length > 0 && later.length > 0 ? splits + 1 : splits
            yield* Effect.all(
              [
                ...(earlier.length > 0 ? [place(low, probe - 1, floor, earlier, splitting)] : []),
                ...(later.length > 0 ? [place(probe + 1, high, stored, later, splitting)] : [])
              ],
              { concurrency: splitting <= splitsMax ? 2 : 1, discard: true }
            )
          })

        yield* place(1, applying.count, undefined, moments, 0)
        return moments.map((moment) => found.get(moment) ?? nothing)
      })

      return TotalsBefore.of({ read })
    })
  )
}
