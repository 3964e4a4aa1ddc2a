/** An exact decimal with at most two decimal places, like `"12.50"`. No amount goes through a float. */
export type Decimal = string

const decimal = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]{1,2})?$/

/** Writes integer cents as a decimal: `1250n` is `"12.50"`. */
export const decimalOf = (cents: bigint): Decimal => {
  const digits = (cents < 0n ? -cents : cents).toString().padStart(3, "0")
  return `${cents < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/**
 * Reads a decimal as integer cents: `"12.5"` is `1250n`. Throws a TypeError for a value that is no text with a decimal,
 * for example for a number.
 */
export const centsOf = (text: Decimal): bigint => {
  if (typeof text !== "string") {
    throw new TypeError(`${String(text)} is no amount: write a string like "12.50", or a bigint of cents like 1250n`)
  }
  if (!decimal.test(text)) throw new TypeError(`${text} is no decimal with at most two places, like 12.50`)
  const [whole = "", places = ""] = text.split(".")
  return BigInt(whole + places.padEnd(2, "0"))
}

/**
 * The members of answers that hold amounts. The numbers of all members that are not listed here are counts and
 * sequences, which a float holds exactly.
 */
const amountMembers: ReadonlySet<string> = new Set([
  "value",
  "total",
  "runningTotal",
  "amount",
  "totalDebt",
  "threshold",
  "before",
  "after"
])

/** Matches the number that follows the name of a member, by the grammar of JSON. */
const numberAfterName = /[\t\n\r ]*:[\t\n\r ]*(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)/y

/**
 * Returns the index of the quote that closes the JSON string opened at `opened`, or -1 if no quote closes the string.
 */
const closingQuote = (json: string, opened: number): number => {
  for (let index = json.indexOf('"', opened + 1); index >= 0; index = json.indexOf('"', index + 1)) {
    let backslashes = 0
    while (json[index - 1 - backslashes] === "\\") backslashes += 1
    if (backslashes % 2 === 0) return index
  }
  return -1
}

/**
 * Puts each amount of a JSON text between quotes, with its digits as they are. The function changes nothing but the
 * amounts, so wrong JSON stays wrong.
 */
const withAmountsQuoted = (json: string): string => {
  let written = ""
  let copied = 0
  for (let opened = json.indexOf('"'), next = 0; opened >= 0; opened = json.indexOf('"', next)) {
    const closed = closingQuote(json, opened)
    if (closed < 0) break
    next = closed + 1
    const text = json.slice(opened + 1, closed)
    const name = text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text
    if (!amountMembers.has(name)) continue
    numberAfterName.lastIndex = next
    const [found = "", digits = ""] = numberAfterName.exec(json) ?? []
    if (digits === "") continue
    next += found.length
    written += `${json.slice(copied, next - digits.length)}"${digits}"`
    copied = next
  }
  return written + json.slice(copied)
}

/**
 * Reads the JSON of an answer, with its amounts as text. Throws a SyntaxError if the text is not JSON. A reviver of
 * `JSON.parse` could read amounts from the source text, but Node 20 gives revivers no source text.
 */
export const parseExact = (text: string): unknown => JSON.parse(withAmountsQuoted(text)) as unknown
