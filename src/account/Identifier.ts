import { Schema } from "effect"
import { hasBlankAround, isBlank, unprintableIn } from "./VisibleText.ts"

/** The longest user id, in characters (code points after NFC). */
export const userIdLengthMax = 64
/** The longest purchase id, in characters (code points after NFC). */
export const purchaseIdLengthMax = 128
/** The longest product name or type, in characters (code points after NFC). */
export const productTextLengthMax = 200

/** The longest reason of a reversal, in characters (code points after NFC). */
export const reasonLengthMax = 200

const plain = /^[A-Za-z0-9_@+-][A-Za-z0-9_@+. -]*$/
// An id is one part of the path of a URL, so an id can hold no separator. Clients resolve the parts `.` and `..` of a
// path, so no id is `.` or `..`.
const pathSyntax = /[/\\]|^\.{1,2}$/

/**
 * Returns the text in normalization form C. Texts that match `plain` are in normalization form C already. The check
 * with `plain` is quicker than the normalization of every text.
 */
export const inNormalForm = (text: string): string => (plain.test(text) ? text : text.normalize("NFC"))

/** Returns whether a value is a text in normalization form C for which `problem` returns `undefined`. */
export const isTextWithout = (value: unknown, problem: (text: string) => string | undefined): value is string =>
  typeof value === "string" && inNormalForm(value) === value && problem(value) === undefined

const length = (text: string): number => {
  let characters = 0
  for (const _ of text) characters += 1
  return characters
}

const lengthProblem = (text: string, lengthMax: number): string | undefined => {
  if (text.length === 0) return "must not be empty"
  return text.length > lengthMax && length(text) > lengthMax ? `must have at most ${lengthMax} characters` : undefined
}

const unprintableProblem = (text: string): string | undefined => {
  const found = unprintableIn(text)
  return found && `must not contain control, format or unpaired surrogate characters, and has ${found}`
}

const isPlain = (text: string, lengthMax: number): boolean => text.length <= lengthMax && plain.test(text)

/** Returns the problem of an id that begins or ends with a blank, or `undefined`. */
export const blankAroundProblem = (text: string): string | undefined =>
  hasBlankAround(text) ? "must not begin or end with a blank" : undefined

const idProblem = (text: string, lengthMax: number): string | undefined => {
  if (isPlain(text, lengthMax) && !text.endsWith(" ")) return undefined
  const wrong = lengthProblem(text, lengthMax) ?? unprintableProblem(text) ?? blankAroundProblem(text)
  if (wrong !== undefined) return wrong
  return pathSyntax.test(text) ? "must not contain / or \\, nor be . or .. (an id is one segment of a path)" : undefined
}

/** Returns the problem of a user id that is NFC already, or `undefined`. */
export const userIdProblem = (text: string): string | undefined => idProblem(text, userIdLengthMax)
/** Returns the problem of a purchase id that is NFC already, or `undefined`. */
export const purchaseIdProblem = (text: string): string | undefined => idProblem(text, purchaseIdLengthMax)

// Joiners shape words and emoji, and a sequence of tag characters after a black flag is a flag of a region.
const shaping = /[\u200C\u200D]|\u{1F3F4}[\u{E0020}-\u{E007E}]+\u{E007F}/gu

const visibleTextProblem = (text: string, lengthMax: number): string | undefined => {
  if (isPlain(text, lengthMax)) return undefined
  const wrong = lengthProblem(text, lengthMax) ?? unprintableProblem(text.replaceAll(shaping, "-"))
  return wrong ?? (isBlank(text) ? "must not be blank" : undefined)
}

/** Returns the problem of a product's name or type that is NFC already, or `undefined`. */
export const productTextProblem = (text: string): string | undefined => visibleTextProblem(text, productTextLengthMax)
/** Returns the problem of the reason of a reversal that is NFC already, or `undefined`. */
export const reasonTextProblem = (text: string): string | undefined => visibleTextProblem(text, reasonLengthMax)

// The pattern of an id or of a text is for JSON Schema, and all tools can read the pattern. The descriptions of the
// fields state the checks that the pattern cannot express.
const normalized = (problem: (text: string) => string | undefined, maxLength: number, pattern: string) =>
  Schema.String.check(
    Schema.makeFilter(
      (text: string) => (inNormalForm(text) === text ? problem(text) : "must be in Unicode normalization form C"),
      { toJsonSchema: () => [{ minLength: 1, maxLength, pattern }, true] }
    )
  )

const control = "\\u0000-\\u001f\\u007f-\\u009f"
const inId = `[^/\\\\${control}]`
const endOfId = `[^ /\\\\${control}]`
const idPattern = `^${endOfId}(${inId}*${endOfId})?$`
const textPattern = `^ *[^ ${control}][^${control}]*$`

/** Decodes a user id. Fails if the id is not in normalization form C or {@link userIdProblem} finds a problem. */
export const UserId = normalized(userIdProblem, userIdLengthMax, idPattern).pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type

/**
 * Decodes a purchase id. Fails if the id is not in normalization form C or {@link purchaseIdProblem} finds a problem.
 */
export const PurchaseId = normalized(purchaseIdProblem, purchaseIdLengthMax, idPattern).pipe(Schema.brand("PurchaseId"))
export type PurchaseId = typeof PurchaseId.Type

/** Decodes the id of a reversal. A reversal id has the form of a purchase id, and is an id of another kind. */
export const ReversalId = normalized(purchaseIdProblem, purchaseIdLengthMax, idPattern).pipe(Schema.brand("ReversalId"))
export type ReversalId = typeof ReversalId.Type

/** Decodes a stored user id without checks, because an earlier version may have stored ids that are refused today. */
export const StoredUserId = Schema.String.pipe(Schema.brand("UserId"))
/**
 * Decodes a stored purchase id without checks, because an earlier version may have stored ids that are refused today.
 */
export const StoredPurchaseId = Schema.String.pipe(Schema.brand("PurchaseId"))

/**
 * Decodes a product name or type. Fails if the text is not in normalization form C or {@link productTextProblem} finds
 * a problem.
 */
export const ProductText = normalized(productTextProblem, productTextLengthMax, textPattern)

/**
 * Decodes the reason of a reversal. Fails if the reason is not in normalization form C or {@link reasonTextProblem}
 * finds a problem.
 */
export const ReasonText = normalized(reasonTextProblem, reasonLengthMax, textPattern)
