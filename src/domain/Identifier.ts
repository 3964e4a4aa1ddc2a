import { Schema } from "effect"

/** The longest user id, in characters (code points after NFC). */
export const userIdLengthMax = 64
/** The longest purchase id, in characters (code points after NFC). */
export const purchaseIdLengthMax = 128
/** The longest product name or type, in characters (code points after NFC). */
export const productTextLengthMax = 200

const plain = /^[A-Za-z0-9_@+-][A-Za-z0-9_@+. -]*$/
// Control, format and unpaired surrogate characters, and line and paragraph separators.
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u
// An id is a segment of a path, so it can neither hold a separator nor be one that clients resolve away.
const pathSyntax = /[/\\]|^\.{1,2}$/

/** The text in normalization form C. Plain texts are; to ask costs as much as all the other checks of a purchase. */
export const inNormalForm = (text: string): string => (plain.test(text) ? text : text.normalize("NFC"))

const length = (text: string): number => {
  let characters = 0
  for (const _ of text) characters += 1
  return characters
}

const textProblem = (text: string, lengthMax: number): string | undefined => {
  if (text.length === 0) return "must not be empty"
  if (text.length <= lengthMax && plain.test(text)) return undefined
  if (text.length > lengthMax && length(text) > lengthMax) return `must have at most ${lengthMax} characters`
  if (unprintable.test(text)) return "must not contain control, format or unpaired surrogate characters"
  return undefined
}

const idProblem = (text: string, lengthMax: number): string | undefined =>
  textProblem(text, lengthMax) ??
  (pathSyntax.test(text) ? "must not contain / or \\, nor be . or .. (an id is one segment of a path)" : undefined)

/** What is wrong with a user id that is NFC already, or nothing. */
export const userIdProblem = (text: string): string | undefined => idProblem(text, userIdLengthMax)
/** What is wrong with a purchase id that is NFC already, or nothing. */
export const purchaseIdProblem = (text: string): string | undefined => idProblem(text, purchaseIdLengthMax)
/** What is wrong with a product's name or type that is NFC already, or nothing. */
export const productTextProblem = (text: string): string | undefined => textProblem(text, productTextLengthMax)

// A pattern for JSON Schema that all tools can read: what the rules refuse beyond it is in the descriptions.
const normalized = (problem: (text: string) => string | undefined, maxLength: number, pattern: string) =>
  Schema.String.check(
    Schema.makeFilter(
      (text: string) => (inNormalForm(text) === text ? problem(text) : "must be in Unicode normalization form C"),
      { toJsonSchema: () => [{ minLength: 1, maxLength, pattern }, true] }
    )
  )

const idPattern = "^[^/\\\\\\u0000-\\u001f\\u007f-\\u009f]+$"
const textPattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"

export const UserId = normalized(userIdProblem, userIdLengthMax, idPattern).pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type

export const PurchaseId = normalized(purchaseIdProblem, purchaseIdLengthMax, idPattern).pipe(Schema.brand("PurchaseId"))
export type PurchaseId = typeof PurchaseId.Type

export const ProductText = normalized(productTextProblem, productTextLengthMax, textPattern)
