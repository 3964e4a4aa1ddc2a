import type { Context as HttpContext } from "hono"
import { inNormalForm } from "../../account/Identifier.ts"
import { headerLines, oneOf, withoutBlanks } from "../contract/HeaderLines.ts"
import type { Field } from "../contract/Field.ts"
import { isProblem, type Problem, problem } from "../contract/Problem.ts"
import type { HeaderParameter } from "../route/Route.ts"

type Malformed = Problem<"malformed-request">

/** The header's name in the draft standard, and the name with `X-` that some clients send. */
const names = ["Idempotency-Key", "X-Idempotency-Key"]

// The pattern of a string of RFC 9651 with its parameters, which are ignored. The pattern accepts characters beyond
// ASCII.
const text = String.raw`"(?:[^"\\]|\\["\\])*"`
const parameter = String.raw`[ \t]*;[ \t]*[a-z*][a-z0-9_.*-]*(?:=(?:${text}|[^\s;,"]+))?`
const quotedKey = new RegExp(`(${text})(?:${parameter})*[ \\t]*(?:,|$)`, "y")
const bareKey = /([^",]*)(?:,|$)/y

const unreadable = (line: string): Malformed =>
  problem(
    "malformed-request",
    `Idempotency-Key is ${line.slice(0, 40)}, and cannot be read. Write it bare, like k1, or in quotes, like "k1".`
  )

/**
 * Reads the keys of a header line: one key, or more keys if a proxy joined lines. Undoes the escapes of a quoted key.
 */
const keysIn = (line: string): ReadonlyArray<string> | Malformed => {
  const keys: Array<string> = []
  let at = 0
  for (let goesOn = true; goesOn;) {
    while (line[at] === " " || line[at] === "\t") at += 1
    const pattern = line[at] === '"' ? quotedKey : bareKey
    pattern.lastIndex = at
    const [whole, key] = pattern.exec(line) ?? []
    if (whole === undefined || key === undefined) return unreadable(line)
    keys.push(key.startsWith('"') ? key.slice(1, -1).replaceAll(/\\(["\\])/g, "$1") : withoutBlanks(key))
    at += whole.length
    goesOn = whole.endsWith(",")
  }
  return keys
}

/**
 * Returns the key of a request, `undefined` without a key, or a problem if the key cannot be read or two keys differ.
 * In the draft standard, a key is a quoted string with parameters. A key without quotes is common, and is taken as a
 * whole.
 */
const idempotencyKeyOf = (http: HttpContext): string | undefined | Malformed => {
  const keys: Array<string> = []
  for (const name of names) {
    const lines = headerLines(http, name)
    if (isProblem(lines)) return lines
    for (const line of lines) {
      const read = keysIn(line)
      if (isProblem(read)) return read
      keys.push(...read.map(inNormalForm))
    }
  }
  return oneOf("Idempotency-Key", keys, "Send one; a key with a comma stands in quotes.")
}

/**
 * Returns the header parameter of a key that is the id of a purchase or a reversal. The `field` reads the id of the
 * purchase or reversal.
 */
export const idempotencyKeyFor = ({ name, documented, kind }: Field<string>): HeaderParameter<string | undefined> => ({
  description: `The ${name}, if the body has no ${name}. The key is bare, or a quoted string whose parameters are ignored. \`X-Idempotency-Key\` means the same as \`Idempotency-Key\`.`,
  documented,
  kind,
  textOf: idempotencyKeyOf,
  read: (text) => text
})
