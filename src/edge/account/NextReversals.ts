import type { HistoryCursor } from "../../protocol/Query.ts"
import { type Located, receiptReference } from "../contract/Reference.ts"
import { encodeUserCursor, userMark } from "../contract/UserCursor.ts"

/**
 * Returns the path of the next page of a purchase's reversals; `undefined` without a next page. `limit` is the most
 * reversals of the next page.
 */
export const nextReversals = (
  located: Located,
  { userId, purchaseId }: { readonly userId: string; readonly purchaseId: string },
  limit: number,
  next: HistoryCursor | undefined
): string | undefined => {
  if (next === undefined) return undefined
  const cursor = encodeUserCursor({ sequence: next.revision, taken: next.taken, user: userMark(userId) })
  return `${receiptReference(located, userId, purchaseId)}/reversals?limit=${limit}&cursor=${cursor}`
}
