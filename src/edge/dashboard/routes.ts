import { Effect, Schema } from "effect"
import type { Context as HttpContext } from "hono"
import { accepts } from "hono/accepts"
import { type AnswerSpec, jsonMediaType, reply, replyResponse, textAnswer } from "../contract/AnswerSpec.ts"
import { dashboardFiles, dashboardMediaTypes, dashboardPageText, demoPageText } from "./DashboardFiles.ts"
import type { Field } from "../contract/Field.ts"
import { problem } from "../contract/Problem.ts"
import { route } from "../route/Route.ts"
import { knownTags, tagged, unchanged } from "../route/ETag.ts"

const pageMediaType = "text/html"

/** The content security policy of the page: a browser may load the page's files, and may send requests to this edge. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

/** Returns whether a caller prefers a page to JSON, as browsers do. */
export const isPageWanted = (http: HttpContext): boolean =>
  accepts(http, { header: "Accept", supports: [jsonMediaType, pageMediaType], default: jsonMediaType }) ===
  pageMediaType

/** Declares that callers who prefer a page get the page instead of `answer`. */
export const orPage = <A extends AnswerSpec>(answer: A): A => ({ ...answer, otherMediaTypes: [pageMediaType] })

/**
 * Returns the answer with the dashboard. The page loads its files, and asks the edge for data. With `isDemo` the page has
 * the buttons that store random purchases.
 */
export const dashboardPage = (isDemo: boolean): Response =>
  replyResponse(reply(200, isDemo ? demoPageText : dashboardPageText, { "content-security-policy": pagePolicy }), {
    200: textAnswer(pageMediaType, "")
  })

const [firstMediaType = "", ...otherMediaTypes] = dashboardMediaTypes

const fileField: Field<string> = {
  name: "file",
  kind: "malformed-request",
  documented: Schema.Literals([...dashboardFiles.keys()]),
  // A request for a name that no file has gets 404, not 400.
  read: (text) => text
}

const fileRoute = route({
  method: "GET",
  path: "/dashboard/{file}",
  name: "readDashboardFile",
  group: "Service",
  summary: "A file that the dashboard at / loads",
  stores: false,
  scope: "public",
  parameters: { file: fileField },
  // A page may add a changing parameter to a file's URL, so that browsers and proxies load the file again.
  otherQuery: "ignored",
  headers: { "if-none-match": knownTags },
  answers: { 200: { ...textAnswer(firstMediaType, "The file.", ["etag"]), otherMediaTypes }, 304: unchanged },
  problems: ["not-found"],
  handle: Effect.fnUntraced(function* ({ file, "if-none-match": known }) {
    const found = dashboardFiles.get(file)
    if (found === undefined) return yield* Effect.fail(problem("not-found", `The dashboard has no file ${file}.`))
    return replyResponse(
      tagged(known, found.tag, () => found.text),
      { 200: textAnswer(found.mediaType, ""), 304: unchanged }
    )
  })
})

export const dashboardRoutes = [fileRoute]
