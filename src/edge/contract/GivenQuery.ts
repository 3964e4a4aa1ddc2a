import { type Problem, problem } from "./Problem.ts"

/** The most characters of a name or a value that a message shows. */
const shownMax = 40

const unknownParameter = (name: string, known: ReadonlyArray<string>): Problem<"malformed-request"> =>
  problem(
    "malformed-request",
    `This route knows no query parameter '${name.slice(0, shownMax)}'. ${
      known.length === 0 ? "It has no query parameters." : `It knows: ${known.join(", ")}.`
    }`
  )

const repeatedParameter = (name: string, first: string, other: string): Problem<"malformed-request"> =>
  problem(
    "malformed-request",
    `The query parameter '${name}' is given more than once, as '${first.slice(0, shownMax)}' and as '${other.slice(0, shownMax)}'. Give it once.`
  )

const nothing: ReadonlyMap<string, string> = new Map()

/**
 * Returns the values of a URL's known query parameters. Returns a problem for an unknown parameter, unless `others`
 * says that unknown parameters are ignored. Returns a problem for a parameter with two different values. Equal values
 * of a parameter count as one.
 */
export const givenQuery = (
  url: string,
  known: ReadonlyArray<string>,
  others: "refused" | "ignored"
): ReadonlyMap<string, string> | Problem<"malformed-request"> => {
  if (!url.includes("?")) return nothing
  const values = new Map<string, string>()
  for (const [name, value] of new URL(url).searchParams) {
    if (!known.includes(name)) {
      if (others === "ignored") continue
      return unknownParameter(name, known)
    }
    const first = values.get(name)
    if (first !== undefined && first !== value) return repeatedParameter(name, first, value)
    values.set(name, value)
  }
  return values
}
