import { integerFrom, type NumberProblem } from "./JsonNumber.ts"

/** An amount of US dollars, in whole cents. */
export type Cents = bigint

/** The highest price of one piece: 1,000,000.00. */
export const valueMax: Cents = 100_000_000n
/** The most pieces in one purchase. */
export const quantityMax = 100_000
/** The highest total (value times quantity) of one purchase: 10,000,000,000.00. */
export const purchaseTotalMax: Cents = 1_000_000_000_000n

/** Returns whether a value is a whole number from 1 to `max`. */
export const isWholeNumber = (value: unknown, max: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= max

/** The currency of all amounts. */
export const currency = "USD" as const

/**
 * Reads the text of a JSON number as cents, without a float. Returns the problem if the number has more than two
 * decimal places or more than 15 digits before the point.
 */
export const centsFromDecimal = (text: string): Cents | NumberProblem => integerFrom(text, 2)

/** Writes cents as an exact decimal with two places: 5000n is "50.00". */
export const decimalFromCents = (cents: Cents): string => {
  const digits = (cents < 0n ? -cents : cents).toString().padStart(3, "0")
  return `${cents < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`
}
