import { Schema } from "effect"
import { type AnswerHeader, emptyAnswer, reply } from "../contract/AnswerSpec.ts"
import type { Parameter } from "./Route.ts"

/** Reads the tags in If-None-Match: the tags of answers that the caller has. */
export const knownTags: Parameter<ReadonlyArray<string>> = {
  description: "The ETags of answers that the caller has. The answer is 304 if one of these answers has not changed.",
  documented: Schema.String,
  read: (text = "") => text.split(",").map((one) => one.trim().replace(/^W\//, ""))
}

export const unchanged = emptyAnswer("The answer has not changed since the caller read it.", ["etag", "link"])

/** Makes the answer 200 with a strong ETag, or 304 if the caller has that answer. */
export const tagged = <Body, const Headers extends { [Header in AnswerHeader]?: string } = {}>(
  known: ReadonlyArray<string>,
  tag: string,
  body: () => Body,
  headers?: Headers
) => {
  const etag = `"${tag}"`
  // A cache may keep the answer, and has to ask each time whether the answer still holds.
  const cached = { etag, "cache-control": "private, no-cache", ...headers }
  return known.includes(etag) || known.includes("*") ? reply(304, undefined, cached) : reply(200, body(), cached)
}
