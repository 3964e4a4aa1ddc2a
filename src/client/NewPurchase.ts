import { centsOf, type Decimal, decimalOf } from "./Amount.ts"
import { requireOfRuntime } from "./Runtime.ts"

/**
 * A purchase as callers send it. If the purchase has no purchaseId, the client makes the id, so that it can send the
 * purchase again.
 */
export interface NewPurchase {
  readonly purchaseId?: string
  readonly userId: string
  readonly productName: string
  readonly productType: string
  /** The price of a piece: an exact decimal, or integer cents. */
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

/** Writes a purchase as JSON, with its value digit by digit. Throws a TypeError if the value is not an amount. */
export const purchaseText = ({ value, ...rest }: NewPurchase): string => {
  const exact = decimalOf(typeof value === "bigint" ? value : centsOf(value))
  return `${JSON.stringify(rest).slice(0, -1)},"value":${exact}}`
}

/** Returns the headers of a post. `waitSeconds` is how long the service shall wait until a purchase is applied. */
export const postHeaders = (contentType: string, waitSeconds = 0): Record<string, string> => ({
  "content-type": contentType,
  ...(waitSeconds > 0 ? { prefer: `wait=${waitSeconds}` } : {})
})
