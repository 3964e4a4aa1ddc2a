import { type WindowKind, windowEnd, windowStart } from "../account/SpendingWindow.ts"

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** The shortest and the longest window of a fixed length, in milliseconds: one minute and 31 days. */
export const windowLengthMin = minute
export const windowLengthMax = 31 * day

/**
 * The lengths that windows of rules about all users may have, from one minute to 31 days. Rules about all users may
 * have only these lengths, because each distinct window takes memory for each user who buys. Calendar windows need no
 * list of allowed lengths, because few calendar windows exist.
 */
export const lengthsOnAll: ReadonlyArray<string> =
  "PT1M PT5M PT10M PT15M PT30M PT1H PT2H PT6H PT12H P1D P2D P3D P7D P14D P28D P30D P31D".split(" ")

/**
 * The window of a running measure: a fixed length of time up to the purchase, a calendar window, or all time up to the
 * purchase.
 */
export type RuleWindow =
  | { readonly kind: "ever" }
  | { readonly kind: "length"; readonly milliseconds: number }
  | ({ readonly kind: "calendar" } & WindowKind)

export const ever: RuleWindow = { kind: "ever" }

const lengthText =
  /^P(?:([0-9]{1,4})W)?(?:([0-9]{1,4})D)?(?:T(?=[0-9])(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,8})S)?)?$/
const unitsOfLength = [7 * day, day, hour, minute, second]

/**
 * Decodes a length of time like `PT1M` or `P31D` to milliseconds, without a bound on the length. Each day of the length
 * has 24 hours. Returns `undefined` for months and years, which have no fixed length, and for any other text.
 */
export const readLength = (text: string): number | undefined => {
  const [, ...counts] = lengthText.exec(text) ?? []
  if (counts.every((count) => count === undefined)) return undefined
  let milliseconds = 0
  for (const [index, unit] of unitsOfLength.entries()) milliseconds += Number(counts[index] ?? 0) * unit
  return milliseconds
}

/**
 * Writes a length of whole seconds in ISO 8601, with the largest possible units. For example, 5,400,000 milliseconds
 * are `PT1H30M`.
 */
export const lengthAsText = (milliseconds: number): string => {
  const days = Math.floor(milliseconds / day)
  let time = ""
  for (const [name, unit, of] of [
    ["H", hour, day],
    ["M", minute, hour],
    ["S", second, minute]
  ] as const) {
    const count = Math.floor((milliseconds % of) / unit)
    if (count > 0) time += `${count}${name}`
  }
  return `P${days > 0 ? `${days}D` : ""}${time === "" ? "" : `T${time}`}`
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

const lengthInWords = (milliseconds: number): string => {
  const parts: Array<string> = []
  let rest = milliseconds
  for (const [noun, unit] of [
    ["day", day],
    ["hour", hour],
    ["minute", minute],
    ["second", second]
  ] as const) {
    if (rest >= unit) parts.push(counted(Math.floor(rest / unit), noun))
    rest %= unit
  }
  return parts.join(" and ")
}

/**
 * Returns a window in words for the end of a sentence, for example `in 7 days`, `in one month (Europe/Berlin)` or
 * `in all`.
 */
export const windowInWords = (window: RuleWindow): string => {
  if (window.kind === "ever") return "in all"
  return window.kind === "length"
    ? `in ${lengthInWords(window.milliseconds)}`
    : `in one ${window.by} (${window.timeZone})`
}

/**
 * Returns a text that identifies a window. Equal windows have the same text, and different windows have different
 * texts.
 */
export const windowKey = (window: RuleWindow): string => {
  if (window.kind === "ever") return ""
  return window.kind === "length" ? String(window.milliseconds) : `${window.by} ${window.timeZone}`
}

/**
 * Returns the last moment before the window that ends with a purchase, in milliseconds since 1970. `storedAt` is the
 * time of the purchase. Earlier purchases are in the window if they were stored after the returned moment.
 */
export type WindowCutoff = (storedAt: number) => number

/**
 * Makes the cutoff of a window: the function that returns the last moment before the window. The cutoff of a calendar
 * window remembers the begin and the end of the last window, because their computation is slow.
 */
export const cutoffOf = (window: RuleWindow): WindowCutoff => {
  if (window.kind === "ever") return () => Number.NEGATIVE_INFINITY
  if (window.kind === "length") return (storedAt) => storedAt - window.milliseconds
  let from = 0
  let to = 0
  return (storedAt) => {
    if (storedAt < from || storedAt >= to) {
      from = windowStart(window, storedAt)
      to = windowEnd(window, storedAt)
    }
    return from - 1
  }
}
