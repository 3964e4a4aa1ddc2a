import type { RawJson } from "../protocol/ExactJson.ts"

/** A number of a JSON text, with exactly the digits of the text. */
export class WrittenNumber {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toJSON(): RawJson {
    return JSON.rawJSON(this.text)
  }
}

// By ES2026, `JSON.parse` passes the source text of a number to the reviver as `context`. TypeScript's library has no
// type for `context` yet.
type Reviver = (this: unknown, key: string, value: unknown, context?: { readonly source: string }) => unknown

const keepNumbers: Reviver = (_key, value, context) =>
  typeof value === "number" && context !== undefined ? new WrittenNumber(context.source) : value

/** Parses JSON, and keeps each number as a {@link WrittenNumber}. Throws a SyntaxError if the text is not JSON. */
export const parseExactJson = (text: string): unknown => JSON.parse(text, keepNumbers)

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]]|:/g

/**
 * Returns a name that one object of a JSON text has twice; `undefined` if no object has a name twice. `JSON.parse`
 * keeps only the last value of a repeated name. The argument `text` has to be JSON.
 */
export const repeatedNameOf = (text: string): string | undefined => {
  const open: Array<Set<string>> = []
  let last = ""
  for (const [token] of text.matchAll(tokens)) {
    if (token === "{" || token === "[") open.push(new Set())
    else if (token === "}" || token === "]") open.pop()
    else if (token === ":") {
      const names = open.at(-1)
      const name: string = JSON.parse(last)
      if (names?.has(name)) return name
      names?.add(name)
    } else last = token
  }
  return undefined
}
