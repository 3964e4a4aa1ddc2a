// Control, format and unpaired surrogate characters, and line and paragraph separators.
const unprintable = String.raw`\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}`
// Letters, marks and symbols that are drawn as nothing: a grapheme joiner, fillers, and the empty Braille cell.
const drawnAsNothing = String.raw`\u034F\u115F\u1160\u17B4\u17B5\u2800\u3164\uFFA0`
const space = String.raw`\p{White_Space}\u2800\u3164\uFFA0`

const firstUnprintable = new RegExp(`[${unprintable}]`, "u")
const invisible = new RegExp(`(?! )[${unprintable}${drawnAsNothing}\\p{Zs}]`, "gu")
const blankAround = new RegExp(`^[${space}]|[${space}]$`, "u")
const blankOnly = new RegExp(`^[${space}\\p{Default_Ignorable_Code_Point}]*$`, "u")

/** Returns the name of a character by its code point, like `U+FEFF`. */
const codePoint = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`

/**
 * Returns the name of the first control, format, separator or unpaired surrogate character; `undefined` if the text has
 * no such character.
 */
export const unprintableIn = (text: string): string | undefined => {
  const [character] = firstUnprintable.exec(text) ?? []
  return character === undefined ? undefined : codePoint(character)
}

/** Returns the text with each invisible character replaced by its code point, like `<U+FEFF>`. */
export const visibleText = (text: string): string =>
  text.replaceAll(invisible, (character) => `<${codePoint(character)}>`)

/** Returns whether a text begins or ends with a blank of any script. */
export const hasBlankAround = (text: string): boolean => blankAround.test(text)

/** Returns whether a text has no visible character. */
export const isBlank = (text: string): boolean => blankOnly.test(text)
