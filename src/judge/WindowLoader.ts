import { Effect } from "effect"
import type { AppliedPurchase } from "../account/Revision.ts"
import { AccountReader, type LedgerInconsistent, namedRevision } from "../ledger/AccountReader.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { encodeToken } from "../protocol/Subject.ts"
import type { PlacedRevision } from "../rules/Judgement.ts"
import type { UserWindows, WindowNeed } from "../rules/UserWindows.ts"

/**
 * The number of revisions in the first read for a window, which is small because most windows are short. Each further
 * read may have twice as many revisions.
 */
const readsAtOnceMin = 2

/** Loads the window states of a user from the revisions before a revision. */
export type LoadWindows = (
  placed: PlacedRevision,
  needs: ReadonlyArray<WindowNeed>,
  windows: UserWindows
) => Effect.Effect<void, BrokerFailure | LedgerInconsistent>

/**
 * Makes the loader of window states. Revisions never change, so the loader may read them from any replica.
 * `CommitChain` bounds the reads of the journal that the whole process has in flight.
 */
export const makeWindowLoader: Effect.Effect<LoadWindows, never, AccountReader> = Effect.map(
  AccountReader,
  (reader) => {
    /**
     * Returns the purchases of the revisions before `placed`, newest first. The list ends with the newest purchase that
     * was stored at or before `since`, or with the account's first purchase.
     */
    const purchasesSince = Effect.fnUntraced(function* ({ userId, revision }: PlacedRevision, since: number) {
      const userToken = encodeToken(userId)
      const newestFirst: Array<AppliedPurchase> = []
      let atOnce = readsAtOnceMin
      for (let { previous } = revision; previous.length > 0;) {
        const read = yield* Effect.forEach(
          previous.slice(0, atOnce),
          (sequence) => namedRevision(reader, userToken, sequence),
          { concurrency: "unbounded" }
        )
        for (const stored of read) {
          for (const purchase of stored.revision.purchases.toReversed()) {
            newestFirst.push(purchase)
            if (purchase.storedAt <= since) return newestFirst
          }
        }
        previous = read.at(-1)?.revision.previous ?? []
        atOnce *= 2
      }
      return newestFirst
    })

    return Effect.fnUntraced(function* (placed, needs, windows) {
      const since = Math.min(...needs.map((need) => need.since))
      const oldestFirst = (yield* purchasesSince(placed, since)).toReversed()
      for (const need of needs) windows.load(need, oldestFirst)
    })
  }
)
