/** Integer minor units of one US dollar. */
export type Cents = bigint

/** The highest price of one piece: 1,000,000.00. */
export const valueMax: Cents = 100_000_000n
/** The most pieces in one purchase. */
export const quantityMax = 100_000
/** The highest total (value times quantity) of one purchase: 10,000,000,000.00. */
export const purchaseTotalMax: Cents = 1_000_000_000_000n

export const currency = "USD" as const

const decimal = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?$/

export type DecimalProblem = "exponent" | "places" | "size"

/**
 * Reads the text of a JSON number as cents without going through a float.
 * Takes at most two decimal places and no exponent, and at most 15 digits before the point.
 */
export const centsFromDecimal = (text: string): Cents | DecimalProblem => {
  const match = decimal.exec(text)
  if (match === null) return "exponent"
  const [, sign, whole = "", places = ""] = match
  if (places.length > 2) return "places"
  if (whole.length > 15) return "size"
  const cents = BigInt(whole + places.padEnd(2, "0"))
  return sign === "-" ? -cents : cents
}

/** Writes cents as an exact decimal with two places: 5000n is "50.00". */
export const decimalFromCents = (cents: Cents): string => {
  const digits = (cents < 0n ? -cents : cents).toString().padStart(3, "0")
  return `${cents < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`
}
