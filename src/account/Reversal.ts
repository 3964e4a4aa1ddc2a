import { Schema } from "effect"
import {
  isTextWithout,
  PurchaseId,
  purchaseIdProblem,
  ReasonText,
  reasonTextProblem,
  ReversalId,
  UserId,
  userIdProblem
} from "./Identifier.ts"
import { isWholeNumber, quantityMax } from "./Money.ts"
import { textsFingerprint } from "./TextHash.ts"

/**
 * A request to take back pieces of an applied purchase, as it stands in the input log. A reversal without a quantity
 * takes back all pieces that are left when it is decided. A reversal id belongs to its user, and is no purchase id.
 */
export const Reversal = Schema.Struct({
  reversalId: ReversalId,
  userId: UserId,
  purchaseId: PurchaseId,
  quantity: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: quantityMax }))),
  reason: ReasonText
})
export type Reversal = typeof Reversal.Type

/**
 * Why a reversal is refused. `no-purchase`: the purchase is not applied. `nothing-left`: all pieces were taken back
 * before. `more-than-left`: the reversal asks for more pieces than are left. `message-too-large`: the reversals of one
 * message copy too much text from their purchases.
 */
export const refusalReasons = ["no-purchase", "nothing-left", "more-than-left", "message-too-large"] as const
export type RefusalReason = (typeof refusalReasons)[number]

/** Returns whether parsed JSON has the form of a reversal, and not of a purchase. */
export const isReversal = (candidate: unknown): boolean =>
  typeof candidate === "object" && candidate !== null && "reversalId" in candidate

/**
 * Reads a reversal from parsed JSON, with the same checks as the schema {@link Reversal}. Returns `undefined` if a
 * check fails. The schema can say which check failed.
 */
export const readReversal = (candidate: unknown): Reversal | undefined => {
  if (typeof candidate !== "object" || candidate === null) return undefined
  const { reversalId, userId, purchaseId, quantity, reason } = candidate as Record<string, unknown>
  if (!isTextWithout(reversalId, purchaseIdProblem) || !isTextWithout(userId, userIdProblem)) return undefined
  if (!isTextWithout(purchaseId, purchaseIdProblem) || !isTextWithout(reason, reasonTextProblem)) return undefined
  const read = {
    reversalId: reversalId as ReversalId,
    userId: userId as UserId,
    purchaseId: purchaseId as PurchaseId,
    reason
  }
  // No member of parsed JSON has the value `undefined`, so here the reversal has no member `quantity`.
  if (quantity === undefined) return read
  return isWholeNumber(quantity, quantityMax) ? { ...read, quantity } : undefined
}

/**
 * The content of a reversal, by which a repeat is told from a conflict. `asked` is 0 if the reversal asks for all
 * pieces that are left.
 */
interface Content {
  readonly purchaseId: string
  readonly asked: number
  readonly reason: string
}

/** Returns a fingerprint of 53 bits of the content of a reversal, as the purchaseId set keeps it. */
export const reversalFingerprint = ({ purchaseId, asked, reason }: Content): number =>
  textsFingerprint(purchaseId, reason, asked, 0, 0)
