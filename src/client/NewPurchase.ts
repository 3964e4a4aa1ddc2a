import { centsOf, type Decimal, decimalOf } from "./Amount.ts"
import { requireOfRuntime } from "./Runtime.ts"

/**
 * A purchase as callers send it. If the purchase has no purchaseId, the client makes an id, and sends each attempt with
 * this id.
 */
export interface NewPurchase {
  readonly purchaseId?: string
  readonly userId: string
  readonly productName: string
  readonly productType: string
  /** The price of one piece: an exact decimal, or integer cents. */
  readonly value: Decimal | bigint
  readonly quantity: number
}

export type Identified = NewPurchase & { readonly purchaseId: string }

/**
 * Returns the purchase with an id, so that it can be sent again. Throws an UnsupportedRuntime if the runtime cannot
 * make an id.
 */
export const withId = (purchase: NewPurchase): Identified => {
  if (purchase.purchaseId === undefined) requireOfRuntime(["crypto.randomUUID"])
  return { ...purchase, purchaseId: purchase.purchaseId ?? crypto.randomUUID() }
}

/** Writes a purchase as JSON, with the exact digits of its value. Throws a TypeError if the value is not an amount. */
export const purchaseText = ({ value, ...rest }: NewPurchase): string => {
  const exact = decimalOf(typeof value === "bigint" ? value : centsOf(value))
  return `${JSON.stringify(rest).slice(0, -1)},"value":${exact}}`
}

/**
 * Returns the headers of a POST request. `waitSeconds` is the time for which the service shall wait until the purchase
 * or reversal is applied.
 */
export const postHeaders = (contentType: string, waitSeconds = 0): Record<string, string> => ({
  "content-type": contentType,
  ...(waitSeconds > 0 ? { prefer: `wait=${waitSeconds}` } : {})
})
