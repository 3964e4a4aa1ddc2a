import { Schema, SchemaGetter } from "effect"
import {
  inNormalForm,
  ProductText,
  productTextProblem,
  PurchaseId,
  purchaseIdProblem,
  StoredPurchaseId,
  StoredUserId,
  UserId,
  userIdProblem
} from "./Identifier.ts"
import { type Cents, purchaseTotalMax, quantityMax, valueMax } from "./Money.ts"
import { fnvOffset, fnvStep, murmurStep } from "./TextHash.ts"

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
 * One purchase as it stands in the input log. Its price of one piece is in integer cents. A purchase id belongs to its
 * user. The same id of another user is another purchase.
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

const isText = (value: unknown, problem: (text: string) => string | undefined): value is string =>
  typeof value === "string" && inNormalForm(value) === value && problem(value) === undefined

const isAmount = (value: unknown, max: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= max

/**
 * Reads a purchase from parsed JSON, by the same rules as the schema. Returns `undefined` if the rules refuse it. The
 * schema can then give the reason. A worker reads every purchase, and this is several times faster than the schema.
 */
export const readPurchase = (candidate: unknown): Purchase | undefined => {
  if (typeof candidate !== "object" || candidate === null) return undefined
  const { purchaseId, userId, productName, productType, valueCents, quantity } = candidate as Record<string, unknown>
  if (!isText(purchaseId, purchaseIdProblem) || !isText(userId, userIdProblem)) return undefined
  if (!isText(productName, productTextProblem) || !isText(productType, productTextProblem)) return undefined
  if (!isAmount(valueCents, Number(valueMax)) || !isAmount(quantity, quantityMax)) return undefined
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

/** Decodes the purchase of a stored record, whose texts follow the rules of the time when it was written. */
export const StoredPurchase = Schema.Struct({
  purchaseId: StoredPurchaseId,
  userId: StoredUserId,
  productName: Schema.String,
  productType: Schema.String,
  ...amounts
})

type Content = Pick<Purchase, "productName" | "productType" | "valueCents" | "quantity">

/** Returns whether two purchases have the same product, price and quantity. */
export const sameContent = (one: Content, other: Content): boolean =>
  one.valueCents === other.valueCents &&
  one.quantity === other.quantity &&
  one.productName === other.productName &&
  one.productType === other.productType

/**
 * Returns a fingerprint of 53 bits of the content of a purchase. The purchaseId set tells a repeat from a conflict by
 * the fingerprint, and need not keep the content. The fingerprint combines two multiplicative hashes, FNV-1a and one
 * with a multiplier of murmur3. Both hashes run over the UTF-16 units of the texts, the length of each text, and the
 * amounts.
 */
export const contentFingerprint = (content: Content): number => {
  let low = fnvOffset
  let high = 0x9747b28c
  for (const text of [content.productName, content.productType]) {
    for (let index = 0; index < text.length; index += 1) {
      const unit = text.charCodeAt(index)
      low = fnvStep(low, unit)
      high = murmurStep(high, unit)
    }
    low = fnvStep(low, text.length)
    high = murmurStep(high, text.length)
  }
  const value = Number(content.valueCents)
  for (const amount of [value >>> 0, Math.floor(value / 0x1_0000_0000), content.quantity]) {
    low = fnvStep(low, amount)
    high = murmurStep(high, amount)
    low ^= low >>> 15
    high ^= high >>> 13
  }
  return ((high >>> 0) & 0x1fffff) * 0x1_0000_0000 + (low >>> 0)
}
