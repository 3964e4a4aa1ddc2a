import { Schema, SchemaGetter } from "effect"
import {
  isTextWithout,
  ProductText,
  productTextProblem,
  PurchaseId,
  purchaseIdProblem,
  StoredPurchaseId,
  StoredUserId,
  UserId,
  userIdProblem
} from "./Identifier.ts"
import { type Cents, isWholeNumber, purchaseTotalMax, quantityMax, valueMax } from "./Money.ts"
import { textsFingerprint } from "./TextHash.ts"

const ValueCents = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number(valueMax) })).pipe(
  Schema.decodeTo(Schema.BigInt, {
    decode: SchemaGetter.transform((value: number) => BigInt(value)),
    encode: SchemaGetter.transform((value: bigint) => Number(value))
  })
)

const amounts = {
  valueCents: ValueCents,
  quantity: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: quantityMax }))
}

/** Returns value times quantity, in cents. */
export const purchaseTotal = (purchase: { readonly valueCents: Cents; readonly quantity: number }): Cents =>
  purchase.valueCents * BigInt(purchase.quantity)

/**
 * One purchase as it stands in the input log. The price of one piece is in integer cents. A purchase id belongs to its
 * user: the same id of another user names another purchase.
 */
export const Purchase = Schema.Struct({
  purchaseId: PurchaseId,
  userId: UserId,
  productName: ProductText,
  productType: ProductText,
  ...amounts
}).check(
  Schema.makeFilter((purchase) =>
    purchaseTotal(purchase) <= purchaseTotalMax ? undefined : `value times quantity is above ${purchaseTotalMax} cents`
  )
)
export type Purchase = typeof Purchase.Type

/**
 * Reads a purchase from parsed JSON, with the same checks as the schema {@link Purchase}. Returns `undefined` if a
 * check fails. The schema can say which check failed. A worker reads every purchase with this function, which is
 * several times faster than the schema.
 */
export const readPurchase = (candidate: unknown): Purchase | undefined => {
  if (typeof candidate !== "object" || candidate === null) return undefined
  const { purchaseId, userId, productName, productType, valueCents, quantity } = candidate as Record<string, unknown>
  if (!isTextWithout(purchaseId, purchaseIdProblem) || !isTextWithout(userId, userIdProblem)) return undefined
  if (!isTextWithout(productName, productTextProblem) || !isTextWithout(productType, productTextProblem))
    return undefined
  if (!isWholeNumber(valueCents, Number(valueMax)) || !isWholeNumber(quantity, quantityMax)) return undefined
  if (valueCents * quantity > Number(purchaseTotalMax)) return undefined
  return {
    purchaseId: purchaseId as PurchaseId,
    userId: userId as UserId,
    productName,
    productType,
    valueCents: BigInt(valueCents),
    quantity
  }
}

/**
 * Decodes the purchase of a stored record. Texts are not checked, because an earlier version may have stored texts that
 * are refused today.
 */
export const StoredPurchase = Schema.Struct({
  purchaseId: StoredPurchaseId,
  userId: StoredUserId,
  productName: Schema.String,
  productType: Schema.String,
  ...amounts
})

/** The part of a purchase that tells a repeat from a conflict. */
export type Content = Pick<Purchase, "productName" | "productType" | "valueCents" | "quantity">

/** Returns whether two purchases have the same product, price and quantity. */
export const sameContent = (one: Content, other: Content): boolean =>
  one.valueCents === other.valueCents &&
  one.quantity === other.quantity &&
  one.productName === other.productName &&
  one.productType === other.productType

/**
 * Returns a fingerprint of 53 bits of the content of a purchase. The purchaseId set tells a repeat from a conflict by
 * the fingerprint, and need not keep the content.
 */
export const contentFingerprint = ({ productName, productType, valueCents, quantity }: Content): number => {
  const value = Number(valueCents)
  return textsFingerprint(productName, productType, value >>> 0, Math.floor(value / 0x1_0000_0000), quantity)
}
