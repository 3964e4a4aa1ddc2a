import { Schema } from "effect"
import type { SeenVersions } from "../../alerts/RuleChange.ts"
import { type Problem, problem } from "../contract/Problem.ts"
import type { Parameter } from "../route/Route.ts"

/** The most characters of a wrong header that the message about the header shows. */
const shownMax = 40

const tag = /^(W\/)?"([\x21\x23-\x7e]*)"$/

/** Returns the version of a rule that an ETag names; `undefined` if the ETag names no version. */
const versionOf = (text: string): number | undefined => (/^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : undefined)

const wrongTag = (name: string, text: string): Problem<"malformed-request"> =>
  problem(
    "malformed-request",
    `${name} must be * or a list of ETags in quotes, like "3", and is ${text.slice(0, shownMax)}.`
  )

/** Reads the versions of a rule in a header. If `isStrong` is `true`, a weak ETag names no version (RFC 9110, 13.1). */
const versionsIn = (name: string, isStrong: boolean) => (text: string | undefined) => {
  if (text === undefined) return undefined
  if (text.trim() === "*") return "any"
  const versions: Array<number> = []
  for (const part of text.split(",")) {
    const [, weak, named = ""] = tag.exec(part.trim()) ?? []
    if (!tag.test(part.trim())) return wrongTag(name, text)
    const version = weak !== undefined && isStrong ? undefined : versionOf(named)
    if (version !== undefined) versions.push(version)
  }
  return versions
}

const versions = (name: string, isStrong: boolean, description: string): Parameter<SeenVersions | undefined> => ({
  description,
  documented: Schema.String,
  kind: "malformed-request",
  read: versionsIn(name, isStrong)
})

export const ifMatch = versions(
  "If-Match",
  true,
  'The ETags of the rule that the caller has seen, like `"3"`, or `*`. A rule with another ETag is not changed.'
)

export const ifNoneMatch = versions(
  "If-None-Match",
  false,
  "`*` stores the rule only if the user has no rule with this id. A rule with one of the listed ETags is not changed."
)
