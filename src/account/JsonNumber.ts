/** The most digits before the point that a number may have. */
const wholeDigitsMax = 15

/**
 * Why a number is refused: it is not a JSON number (`form`), has too many decimal places (`places`), or is too large
 * (`size`).
 */
export type NumberProblem = "form" | "places" | "size"

// Matches nearly all numbers, so that the slower steps below are seldom needed.
const usual = /^(-?(?:0|[1-9][0-9]{0,14}))(?:\.([0-9]{1,2}))?$/
const jsonNumber = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/

/**
 * Counts the zeros at one end of a text of digits. A regular expression that counts zeros would take quadratic time.
 */
const zeros = (digits: string, end: "first" | "last"): number => {
  let count = 0
  while (count < digits.length && digits.at(end === "first" ? count : -1 - count) === "0") count += 1
  return count
}

/**
 * Reads the text of a JSON number as an exact integer of units. With `places` 2, the texts `12.5`, `12.500` and
 * `1.25E+1` are all 1250. Returns the problem if the value is refused. The function uses no float, and its cost does
 * not depend on the exponent.
 */
export const integerFrom = (text: string, places: 0 | 2): bigint | NumberProblem => {
  const [, before, after = ""] = usual.exec(text) ?? []
  if (before !== undefined && after.length <= places) return BigInt(before + after.padEnd(places, "0"))
  const match = jsonNumber.exec(text)
  if (match === null) return "form"
  const [, sign, whole = "", fraction = "", exponent = "0"] = match
  const written = whole + fraction
  const leading = zeros(written, "first")
  if (leading === written.length) return 0n
  const trailing = zeros(written, "last")
  const digits = written.slice(leading, written.length - trailing)
  // `Number` reads a very long exponent as infinity. The two checks below refuse an infinite power.
  const power = Number(exponent) - fraction.length + trailing
  if (power < -places) return "places"
  if (digits.length + power > wholeDigitsMax) return "size"
  const units = BigInt(digits) * 10n ** BigInt(power + places)
  return sign === "-" ? -units : units
}
