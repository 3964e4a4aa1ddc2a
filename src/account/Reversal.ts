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
 * Why a reversal is refused: its purchase is not applied, all pieces were taken back before, fewer pieces are left than
 * it asks for, or the reversals of one message are too large together.
 */
export const refusalReasons = ["no-purchase", "nothing-left", "more-than-left", "message-too-large"] as const
export type RefusalReason = (typeof refusalReasons)[number]

/** Returns whether parsed JSON has the form of a reversal, and not of a purchase. */
export const isReversal = (candidate: unknown): boolean =>
  typeof candidate === "object" && candidate !== null && "reversalId" in candidate

/**
 * Reads a reversal from parsed JSON, by the same rules as the schema. Returns `undefined` if the rules refuse it. The
 * schema can give the reason of a refusal.
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
  // An own member with the value `undefined` cannot come from JSON.
  if (quantity === undefined) return read
  return isWholeNumber(quantity, quantityMax) ? { ...read, quantity } : undefined
}

/**
 * The content of a request that tells a repeat of a reversal from a conflict. `asked` is 0 if the reversal asks for all
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
