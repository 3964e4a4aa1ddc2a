import { reversalSetId } from "./Entry.ts"
import { contentFingerprint, type Purchase } from "./Purchase.ts"
import { type Reversal, reversalFingerprint } from "./Reversal.ts"

/** The place and time of a message of the input log. */
interface DeliveredPlace {
  /** The sequence of the message in the input log. */
  readonly inputSequence: number
  /** The index of the purchase or reversal in its message, from 0. */
  readonly inputIndex: number
  /** When the broker stored the message, in milliseconds since 1970. */
  readonly storedAt: number
}

/** A purchase of one user as the input log delivered it. */
export interface DeliveredPurchase extends DeliveredPlace {
  readonly purchase: Purchase
  readonly reversal?: undefined
}

/** A reversal of one user as the input log delivered it. */
export interface DeliveredReversal extends DeliveredPlace {
  readonly reversal: Reversal
  readonly purchase?: undefined
}

/** A purchase or a reversal of one user as the input log delivered it. */
export type Delivered = DeliveredPurchase | DeliveredReversal

/** Returns the id under which the purchaseId set would keep a delivered purchase or reversal. */
export const requestSetId = (delivered: Delivered): string =>
  delivered.reversal === undefined ? delivered.purchase.purchaseId : reversalSetId(delivered.reversal.reversalId)

/** Returns the fingerprint of a delivered purchase or reversal, by which a repeat is told from a conflict. */
export const requestFingerprint = ({ purchase, reversal }: Delivered): number => {
  if (reversal === undefined) return contentFingerprint(purchase)
  const { purchaseId, quantity, reason } = reversal
  return reversalFingerprint({ purchaseId, asked: quantity ?? 0, reason })
}

/** Returns the entry of a purchase that is applied. */
export const purchaseEntry = ({ purchase, inputSequence, inputIndex }: DeliveredPurchase, storedAt: number) => {
  const { purchaseId, productName, productType, valueCents, quantity } = purchase
  return { purchaseId, productName, productType, valueCents, quantity, inputSequence, inputIndex, storedAt }
}
