import { centsOf, decimalOf } from "./Amount.ts"
import type { NewPurchase } from "./Answers.ts"
import { requireOfRuntime } from "./Runtime.ts"

export type Identified = NewPurchase & { readonly purchaseId: string }

/** Returns the purchase with an id, under which it can be sent again. */
export const withId = (purchase: NewPurchase): Identified => {
  if (purchase.purchaseId === undefined) requireOfRuntime(["crypto.randomUUID"])
  return { ...purchase, purchaseId: purchase.purchaseId ?? crypto.randomUUID() }
}

/** The JSON of a purchase; its value stands in it digit by digit. */
export const purchaseText = ({ value, ...rest }: NewPurchase): string => {
  const exact = decimalOf(typeof value === "bigint" ? value : centsOf(value))
  return `${JSON.stringify(rest).slice(0, -1)},"value":${exact}}`
}

export const postHeaders = (contentType: string, waitSeconds = 0): Record<string, string> => ({
  "content-type": contentType,
  ...(waitSeconds > 0 ? { prefer: `wait=${waitSeconds}` } : {})
})
