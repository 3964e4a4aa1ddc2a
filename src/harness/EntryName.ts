import { type EntryRequest, isReversalRequest, reversalIdOf } from "../account/Entry.ts"

const reversalName = (reversalId: string): string => `reversal ${reversalId}`

/** Returns the name of an entry of an account: its purchase id, or `reversal ` with its reversal id. */
export const entryName = ({
  purchaseId,
  reversal
}: {
  readonly purchaseId: string
  readonly reversal?: { readonly reversalId: string }
}): string => (reversal === undefined ? purchaseId : reversalName(reversal.reversalId))

/** Returns the name of the entry that a request asks for. */
export const requestName = (request: EntryRequest): string =>
  isReversalRequest(request) ? reversalName(request.reversalId) : request.purchaseId

/** Returns the name of the entry that the purchaseId set keeps under an id. */
export const setIdName = (setId: string): string => {
  const reversalId = reversalIdOf(setId)
  return reversalId === undefined ? setId : reversalName(reversalId)
}
