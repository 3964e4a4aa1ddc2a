import { Schema, SchemaGetter } from "effect"
import { ProductText, PurchaseId, UserId } from "./Identifier.ts"
import { type Cents, purchaseTotalMax, quantityMax, valueMax } from "./Money.ts"

const ValueCents = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number(valueMax) })).pipe(
  Schema.decodeTo(Schema.BigInt, {
    decode: SchemaGetter.transform((value: number) => BigInt(value)),
    encode: SchemaGetter.transform((value: bigint) => Number(value))
  })
)

/**
 * One purchase as it stands in the input log: the price of a piece as integer cents.
 * A purchase id belongs to its user: the same id of another user is another purchase.
 */
export const Purchase = Schema.Struct({
  purchaseId: PurchaseId,
  userId: UserId,
  productName: ProductText,
  productType: ProductText,
  valueCents: ValueCents,
  quantity: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: quantityMax }))
}).check(
  Schema.makeFilter((purchase) =>
    purchaseTotal(purchase) <= purchaseTotalMax ? undefined : `value times quantity is above ${purchaseTotalMax} cents`
  )
)
export type Purchase = typeof Purchase.Type

/** Value times quantity, in cents. */
export const purchaseTotal = (purchase: { readonly valueCents: Cents; readonly quantity: number }): Cents =>
  purchase.valueCents * BigInt(purchase.quantity)

type Content = Pick<Purchase, "productName" | "productType" | "valueCents" | "quantity">

export const sameContent = (one: Content, other: Content): boolean =>
  one.valueCents === other.valueCents &&
  one.quantity === other.quantity &&
  one.productName === other.productName &&
  one.productType === other.productType

/**
 * 53 bits that stand for what was bought, so that the set of applied ids can tell a repeat from another purchase
 * under the same id without keeping its content: two FNV-1a passes with different bases over the UTF-16 units.
 */
export const contentFingerprint = (content: Content): number => {
  const text = `${content.productName}\n${content.productType}\n${content.valueCents}\n${content.quantity}`
  let low = 0x811c9dc5
  let high = 0x9747b28c
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    low = Math.imul(low ^ unit, 0x01000193)
    high = Math.imul(high ^ unit, 0x85ebca6b)
  }
  return ((high >>> 0) & 0x1fffff) * 0x1_0000_0000 + (low >>> 0)
}
