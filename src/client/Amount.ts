/** An exact decimal with at most two places, like `"12.50"`. No amount goes through a float. */
export type Decimal = string

const decimal = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]{1,2})?$/

/** Integer cents as a decimal: `1250n` is `"12.50"`. */
export const decimalOf = (cents: bigint): Decimal => {
  const digits = (cents < 0n ? -cents : cents).toString().padStart(3, "0")
  return `${cents < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/** A decimal as integer cents: `"12.5"` is `1250n`. Throws a TypeError where it is none. */
export const centsOf = (text: Decimal): bigint => {
  if (!decimal.test(text)) throw new TypeError(`${text} is no decimal with at most two places, like 12.50`)
  const [whole = "", places = ""] = text.split(".")
  return BigInt(whole + places.padEnd(2, "0"))
}

/** The members of answers that are amounts; all other numbers are counts and sequences, which a float holds exactly. */
const amountMembers: ReadonlySet<string> = new Set(["value", "total", "runningTotal", "totalDebt"])

/** Reads the JSON of an answer, with its amounts as the texts that stand there (ES2026: source text access). */
export const parseExact = (text: string): unknown =>
  JSON.parse(text, (key, value: unknown, { source }: { readonly source?: string } = {}) => {
    if (typeof value !== "number" || !amountMembers.has(key)) return value
    if (source === undefined) throw new Error("This runtime cannot read exact amounts: use Node 22 or newer.")
    return source
  })
