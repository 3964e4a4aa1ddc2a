import { Effect } from "effect"
import { AccountReader, type LedgerInconsistent, namedRevision } from "../ledger/AccountReader.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { encodeToken } from "../protocol/Subject.ts"
import type { PlacedRevision } from "../rules/Judgement.ts"
import { walkAll } from "../rules/RevisionWalk.ts"
import type { UserWindows, WindowNeed } from "../rules/UserWindows.ts"

/** Loads the window states that are missing for the judgement of a revision, from the user's earlier revisions. */
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
  (reader): LoadWindows =>
    ({ userId, revision: { previous } }, needs, windows) => {
      const userToken = encodeToken(userId)
      return walkAll(
        () => windows.walks(needs, previous),
        () => (sequence) => Effect.map(namedRevision(reader, userToken, sequence), ({ revision }) => revision)
      )
    }
)
