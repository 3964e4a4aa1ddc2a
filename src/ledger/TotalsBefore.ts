import { Context, Effect, Layer, Semaphore } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { entryTotal } from "../account/Entry.ts"
import type { TotalBefore } from "../protocol/Query.ts"
import { AccountReader, type LedgerInconsistent, namedRevision, type ReadRevision } from "./AccountReader.ts"

/**
 * The most revisions that a worker reads at once for totals of the past. The number is low, because a worker decodes
 * revisions that arrive together without a pause for other work.
 */
const readsAtOnceMax = 4
/**
 * How often a search splits into halves that run at once. After `splitsMax` splits, the halves of a search run one
 * after the other.
 */
const splitsMax = 2

/**
 * The revisions of an account that applied an entry, at the moment of a question. The list of sequences may also have
 * newer revisions, because the list grows.
 */
export interface ApplyingRevisions {
  /** The sequences of the commits with the revisions, oldest first. */
  readonly sequences: ReadonlyArray<number>
  /** The number of sequences that the list had at the moment of the question. */
  readonly count: number
}

/**
 * Returns the number of the revision that a search between the numbers `low` and `high` reads next. The result is the
 * number from `low` to `high` that is divisible by the highest power of two. The middle between `low` and `high` would
 * change when the account gets new revisions. The result of `probeIn` stays the same when the account gets new
 * revisions.
 */
export const probeIn = (low: number, high: number): number => {
  const highestDifference = 31 - Math.clz32((low - 1) ^ high)
  return (high >>> highestDifference) << highestDifference
}

const nothing: TotalBefore = { total: 0n, count: 0, reversals: 0 }

/**
 * Finds the last entry of a revision that the broker stored before a moment, and returns the account's total after
 * that entry. Returns zero if the broker stored no entry of the revision before the moment.
 */
const heldWithin = (stored: ReadRevision | undefined, moment: number): TotalBefore => {
  if (stored === undefined) return nothing
  const { purchases, ...after } = stored.revision
  let { total, count, reversals } = after
  for (const purchase of purchases.toReversed()) {
    if (purchase.storedAt < moment) return { total, count, reversals }
    total -= entryTotal(purchase)
    count -= 1
    if (purchase.reversal !== undefined) reversals -= 1
  }
  return nothing
}

/**
 * Reads the totals of an account at past moments. An account applies purchases in the order of the input log, so the
 * times at which the broker stored these purchases rise. A binary search finds the revision at each moment. All moments
 * of one question share one search, which reads no revision twice. The search for totals reads at most 1 +
 * log2(revisions) revisions for each moment.
 *
 * If the broker's clock steps back, the times of purchases do not rise for a while. Even if the clock steps back, all
 * searches look at the same revisions in the same order. A later moment thus never gets an earlier total. The same
 * question about totals thus always gets the same answer. The differences between the totals of several moments add up
 * to the whole difference.
 */
export class TotalsBefore extends Context.Service<
  TotalsBefore,
  {
    /**
     * Returns the total before each moment, in the order of the moments. Moments are in milliseconds since 1970. Fails
     * with `LedgerInconsistent` if a revision is missing.
     */
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

        /**
         * Finds the totals of the `wanted` moments. All `wanted` moments are after the first purchase of the revision
         * `floor`. No `wanted` moment is after the first purchase of the revision with the number `high + 1`.
         */
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
