import { revisionLinesOf, tokenOfLine } from "../../protocol/Commit.ts"
import { decodeRevision } from "../../protocol/RevisionCodec.ts"
import { commitPrefix, decodeToken } from "../../protocol/Subject.ts"
import type { CheckedRecord } from "./AlertCheck.ts"

/** An applied purchase, with the sequence of its commit. */
interface PurchasePlace {
  readonly userId: string
  readonly purchaseId: string
  readonly sequence: number
}

/** Returns the applied purchases in the journal, in the order of the journal. */
export const purchasePlaces = (journal: Iterable<CheckedRecord>): ReadonlyArray<PurchasePlace> =>
  [...journal]
    .filter(({ subject }) => subject.startsWith(commitPrefix))
    .flatMap(({ sequence, text }) =>
      revisionLinesOf(text).flatMap((line) =>
        decodeRevision(line)
          .purchases.filter(({ reversal }) => reversal === undefined)
          .map(({ purchaseId }) => ({ userId: decodeToken(tokenOfLine(line)), purchaseId, sequence }))
      )
    )
