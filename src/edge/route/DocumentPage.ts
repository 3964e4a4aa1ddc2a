import { createHash } from "node:crypto"
import type { DescribedAnswer, DescribedParameter, OpenApi, Operation } from "./OpenApi.ts"

type Json = Readonly<Record<string, unknown>>

const style = `
:root { color-scheme: light dark; --line: light-dark(#d5d9e0, #3a404b); --soft: light-dark(#f4f6f9, #1d2128); --link: light-dark(#0a58b8, #7ab4ff) }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 60rem; padding: 1rem 1.25rem 4rem; overflow-wrap: anywhere; font: 16px/1.5 system-ui, sans-serif; background: light-dark(#fff, #14171c); color: light-dark(#1b1f26, #e4e7ec) }
a { color: var(--link) }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) }
article { margin: 1.5rem 0; padding: .25rem 1rem 1rem; border: 1px solid var(--line); border-radius: .5rem }
h3 { font-family: ui-monospace, monospace; font-size: 1rem }
h4 { margin: 1rem 0 .25rem }
code { font: .9em ui-monospace, monospace; background: var(--soft); padding: .1em .3em; border-radius: .25em }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--line) }
th, td:first-child, td:first-child code { overflow-wrap: break-word }
@media (max-width: 40rem) {
  body { padding: .5rem .75rem 3rem }
  article { padding: .25rem .75rem 1rem }
  tr, td { display: block }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  tbody tr { padding: .5rem 0; border-top: 1px solid var(--line) }
  td { padding: 0; border: 0 }
  td:first-child { font-weight: 600 }
}
`

/** The content security policy of the page: a browser applies the style in the page, and loads nothing. */
export const documentPagePolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")

/** Writes a text of the document in HTML. Words between backticks are code, and an empty line begins a paragraph. */
const prose = (text = ""): string =>
  escaped(text)
    .replaceAll(/`([^`]+)`/g, "<code>$1</code>")
    .replaceAll("\n\n", "<br><br>")

const nameIn = (reference: string): string => reference.slice(reference.lastIndexOf("/") + 1)

const bounds = {
  minimum: "at least",
  exclusiveMinimum: "above",
  maximum: "at most",
  minLength: "at least",
  maxLength: "at most"
}

/** Writes a schema on one line, in HTML: its type and its bounds. */
const schemaLine = (schema: Json): string => {
  if (typeof schema["$ref"] === "string") {
    const name = escaped(nameIn(schema["$ref"]))
    return `<a href="#schema-${name}">${name}</a>`
  }
  if (Array.isArray(schema["enum"]))
    return schema["enum"].map((one) => `<code>${escaped(String(one))}</code>`).join(" or ")
  if (Array.isArray(schema["anyOf"])) return schema["anyOf"].map((one) => schemaLine(one as Json)).join(" or ")
  const items = schema["items"]
  if (typeof items === "object" && items !== null) return `list of ${schemaLine(items as Json)}`
  const limits = Object.entries(bounds).flatMap(([key, words]) => {
    const bound = schema[key]
    if (typeof bound !== "number" || Math.abs(bound) === Number.MAX_SAFE_INTEGER) return []
    return `${words} ${bound}${key.endsWith("Length") ? " characters" : ""}`
  })
  const pattern = typeof schema["pattern"] === "string" ? [`like <code>${escaped(schema["pattern"])}</code>`] : []
  const format = typeof schema["format"] === "string" ? [escaped(schema["format"])] : []
  return [escaped(String(schema["type"] ?? "anything")), ...format, ...limits, ...pattern].join(", ")
}

/**
 * Makes a table. On a narrow screen each row of the table is a block. The ARIA roles keep the table a table for screen
 * readers.
 */
const table = (heads: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const head = heads.map((text) => `<th scope="col" role="columnheader">${text}</th>`).join("")
  const body = rows.map(
    (cells) => `<tr role="row">${cells.map((cell) => `<td role="cell">${cell}</td>`).join("")}</tr>`
  )
  return `<table role="table"><thead role="rowgroup"><tr role="row">${head}</tr></thead><tbody role="rowgroup">${body.join("")}</tbody></table>`
}

const parameterRow = ({ name, in: location, required, description, schema }: DescribedParameter) => [
  `<code>${escaped(name)}</code>`,
  required ? location : `${location}, may be left out`,
  schemaLine(schema),
  `${prose(description)}${schema["default"] === undefined ? "" : ` Default: <code>${escaped(String(schema["default"]))}</code>.`}`
]

const contentLine = (content: DescribedAnswer["content"] = {}): string =>
  Object.entries(content)
    .map(([mediaType, { schema }]) => {
      const parts = Array.isArray(schema["allOf"]) ? (schema["allOf"][0] as Json) : schema
      return `<code>${escaped(mediaType)}</code> ${schemaLine(parts)}`
    })
    .join("<br>")

const answerRow = (document: OpenApi, status: string, answer: Operation["responses"][string]) => {
  const { description, headers, content } =
    "$ref" in answer ? (document.components.responses[nameIn(answer.$ref)] ?? { description: "", headers: {} }) : answer
  const names = Object.keys(headers).filter((name) => name !== "cache-control")
  return [
    escaped(status),
    prose(description),
    contentLine(content),
    names.map((name) => `<code>${escaped(name)}</code>`).join(" ")
  ]
}

const operationArticle = (document: OpenApi, method: string, path: string, operation: Operation): string => {
  const id = escaped(operation.operationId)
  const { parameters, requestBody, responses, security } = operation
  const scopes = new Set(security.flatMap((way) => Object.values(way).flat()))
  return [
    `<article aria-labelledby="${id}"><h3 id="${id}">${method.toUpperCase()} ${escaped(path)}</h3>`,
    `<p>${prose(operation.summary)}. ${prose(operation.description)}</p>`,
    ...[...scopes].map(
      (scope) => `<p>Needs a token with the scope <code>${escaped(scope)}</code>, if the edge asks for tokens.</p>`
    ),
    parameters.length === 0 ? "" : table(["Parameter", "Where", "Type", "Meaning"], parameters.map(parameterRow)),
    requestBody === undefined ? "" : `<h4>Body</h4><p>${contentLine(requestBody.content)}</p>`,
    "<h4>Answers</h4>",
    table(
      ["Status", "Meaning", "Body", "Headers"],
      Object.entries(responses).map(([status, answer]) => answerRow(document, status, answer))
    ),
    "</article>"
  ].join("")
}

const schemaArticle = (name: string, schema: Json): string => {
  const id = `schema-${escaped(name)}`
  const required = new Set((schema["required"] as ReadonlyArray<string> | undefined) ?? [])
  const members = Object.entries((schema["properties"] as Readonly<Record<string, Json>> | undefined) ?? {})
  return [
    `<article aria-labelledby="${id}"><h3 id="${id}">${escaped(name)}</h3>`,
    `<p>${prose(schema["description"] as string | undefined)}</p>`,
    members.length === 0
      ? `<p>${schemaLine(schema)}</p>`
      : table(
          ["Member", "Type", "Meaning"],
          members.map(([member, what]) => [
            `<code>${escaped(member)}</code>${required.has(member) ? "" : ", may be left out"}`,
            schemaLine(what),
            prose(what["description"] as string | undefined)
          ])
        ),
    "</article>"
  ].join("")
}

/**
 * Returns the whole document as an HTML page for people. `root` is the relative URL from the page to the service's
 * root.
 */
export const documentPage = (document: OpenApi, root: string): string => {
  const { info, servers, tags, paths, components } = document
  const below = servers.map(({ url }) => url).filter((url) => url !== "/")
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation }))
  )
  const groups = tags.map(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name))
    const links = own.map(
      ({ method, path, operation }) =>
        `<li><a href="#${escaped(operation.operationId)}">${method.toUpperCase()} ${escaped(path)}</a>: ${prose(operation.summary)}</li>`
    )
    return {
      contents: `<h2>${escaped(name)}</h2><p>${prose(description)}</p><ul>${links.join("")}</ul>`,
      articles: own.map(({ method, path, operation }) => operationArticle(document, method, path, operation)).join("")
    }
  })
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">`,
    `<title>${escaped(info.title)}</title><style>${style}</style></head><body><main>`,
    `<h1>${escaped(info.title)} ${escaped(info.version)}</h1><p>${prose(info.description)}</p>`,
    `<p>For programs: <a href="${root}openapi.json">openapi.json</a> (OpenAPI ${document.openapi})</p>`,
    ...below.map((url) => `<p>All paths are below <code>${escaped(url)}</code> here.</p>`),
    `<nav aria-label="Routes">${groups.map(({ contents }) => contents).join("")}</nav>`,
    `<h2>Each route</h2>${groups.map(({ articles }) => articles).join("")}`,
    `<h2>Schemas</h2>${Object.entries(components.schemas)
      .map(([name, schema]) => schemaArticle(name, schema))
      .join("")}`,
    "</main></body></html>"
  ].join("\n")
}
