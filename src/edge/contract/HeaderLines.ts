import { isUtf8 } from "node:buffer"
import type { IncomingMessage } from "node:http"
import type { Context as HttpContext } from "hono"
import { isProblem, type Problem, problem } from "./Problem.ts"

type Malformed = Problem<"malformed-request">

const ascii = /^[\t -~]*$/
const blankAround = /^[\t ]+|[\t ]+$/g

/** Returns a text without the spaces and tabs around it. HTTP knows no blanks other than spaces and tabs. */
export const withoutBlanks = (text: string): string => text.replace(blankAround, "")

/** Decodes the value of a header line as UTF-8. Node gives each byte of the value as one character. */
const decoded = (name: string, value: string): string | Malformed => {
  if (ascii.test(value)) return withoutBlanks(value)
  const bytes = Buffer.from(value, "latin1")
  return isUtf8(bytes)
    ? withoutBlanks(bytes.toString("utf8"))
    : problem("malformed-request", `The header ${name} holds bytes that are not UTF-8 text. Send it in UTF-8.`)
}

/**
 * Returns a header's lines as they were sent. Without a socket, as in tests, the lines come joined with commas to one
 * line.
 */
export const sentLines = (http: HttpContext, name: string): ReadonlyArray<string> => {
  const { incoming } = (http.env ?? {}) as { readonly incoming?: IncomingMessage }
  if (incoming === undefined) {
    const joined = http.req.header(name)
    return joined === undefined ? [] : [joined]
  }
  const { rawHeaders } = incoming
  const wanted = name.toLowerCase()
  const lines: Array<string> = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const sent = rawHeaders[index] ?? ""
    if (sent.length === wanted.length && sent.toLowerCase() === wanted) lines.push(rawHeaders[index + 1] ?? "")
  }
  return lines
}

/** Returns the lines of a header as text, in their order, or a problem if a line is not UTF-8. */
export const headerLines = (http: HttpContext, name: string): ReadonlyArray<string> | Malformed => {
  const lines: Array<string> = []
  for (const sent of sentLines(http, name)) {
    const line = decoded(name, sent)
    if (isProblem(line)) return line
    lines.push(line)
  }
  return lines
}

const shown = (value = ""): string => (value === "" ? "an empty one" : value.slice(0, 40))

/** Returns the one value of a list. Returns `undefined` for an empty list, and a problem if two values differ. */
export const oneOf = (name: string, values: ReadonlyArray<string>, advice: string): string | undefined | Malformed => {
  // Nearly all lists have at most one value.
  if (values.length < 2) return values[0]
  const [value, other] = new Set(values)
  return other === undefined
    ? value
    : problem("malformed-request", `${name} has two values, ${shown(value)} and ${shown(other)}. ${advice}`)
}

/**
 * Returns the values of a line that proxies joined with commas. Commas within quotes belong to a value, and a quote
 * without its end reaches to the end of the line. The function looks at each character once, however hostile the line
 * is.
 */
const valuesIn = (line: string): ReadonlyArray<string> => {
  if (!line.includes(",")) return [line]
  const values: Array<string> = []
  let start = 0
  let isQuoted = false
  for (let at = 0; at < line.length; at += 1) {
    const character = line[at]
    if (character === "\\" && isQuoted) at += 1
    else if (character === '"') isQuoted = !isQuoted
    else if (character === "," && !isQuoted) {
      values.push(withoutBlanks(line.slice(start, at)))
      start = at + 1
    }
  }
  values.push(withoutBlanks(line.slice(start)))
  return values.filter((value) => value !== "")
}

/**
 * Returns the value of a header that may have only one value. Equal lines of the header count as one value, and
 * different lines are a problem. `isList` says that a comma in a line belongs to the value, and does not come from a
 * proxy that joined lines.
 */
export const singleHeader = (
  http: HttpContext,
  name: string,
  options: { readonly isList?: true } = {}
): string | undefined | Malformed => {
  const lines = headerLines(http, name)
  if (isProblem(lines)) return lines
  return oneOf(name, options.isList ? lines : lines.flatMap(valuesIn), "Send one.")
}
