import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import type { Hono } from "hono"
import { type OpenApi, openApi } from "../../edge/route/OpenApi.ts"
import { routes } from "../../edge/server/Routes.ts"

const isJson = /^application\/(?:problem\+)?json(?:;|$)/

/** The parts of an answer that are compared with the OpenAPI document. */
interface Seen {
  readonly status: number
  readonly headers: Headers
  readonly body: string
}

/**
 * Returns a copy of an OpenAPI document in which every object is closed. A closed object may have only the members that
 * the document names.
 */
const closed = (document: OpenApi): OpenApi =>
  JSON.parse(
    JSON.stringify(document, (_key, value: unknown) =>
      typeof value === "object" && value !== null && "properties" in value && "required" in value
        ? { ...value, additionalProperties: false }
        : value
    )
  ) as OpenApi

const segment = (text: string): string => text.replaceAll("~", "~0").replaceAll("/", "~1")

/** Compares answers with an OpenAPI document. */
export class Description {
  private readonly document: OpenApi
  private readonly validator = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
  private readonly compiled = new Map<string, ValidateFunction>()
  private readonly paths: ReadonlyArray<readonly [RegExp, string]>

  constructor(document: OpenApi) {
    this.document = closed(document)
    this.validator.addSchema({ ...this.document, $id: "document" })
    this.paths = Object.keys(document.paths).map((path) => [
      new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+")}/?$`),
      path
    ])
  }

  /**
   * Returns the JSON pointer of an answer's description in the OpenAPI document, as segments; `undefined` if the
   * document does not describe the answer.
   */
  private placeOf(method: string, path: string, { status, body }: Seen): ReadonlyArray<string> | undefined {
    const name = method === "HEAD" ? "get" : method.toLowerCase()
    const fitting = this.paths.filter(([pattern]) => pattern.test(path)).map(([, known]) => known)
    // A path may fit two routes: `backtest` is the end of one path, and may also be the value of a parameter in another
    // path.
    const known = fitting.find((one) => this.document.paths[one]?.[name] !== undefined) ?? fitting[0]
    const responses = this.document.paths[known ?? ""]?.[name]?.responses ?? {}
    const key = [String(status), `${Math.floor(status / 100)}XX`].find((one) => one in responses) ?? ""
    const response = responses[key]
    if (known !== undefined && response !== undefined) {
      return "$ref" in response ? response.$ref.slice(2).split("/") : ["paths", known, name, "responses", key]
    }
    // If no route has the path and the method, the answer is one of the problems in the components of the OpenAPI
    // document.
    const kind = status === 405 ? "method-not-allowed" : /"urn:purchase-ledger:problem:([a-z-]+)"/.exec(body)?.[1]
    const isRouted = known !== undefined && this.document.paths[known]?.[name] !== undefined && status !== 405
    return isRouted || kind === undefined ? undefined : ["components", "responses", kind]
  }

  /** Returns how an answer differs from the OpenAPI document; an empty list if the answer fits the document. */
  mistakesIn(method: string, path: string, seen: Seen): ReadonlyArray<string> {
    const place = this.placeOf(method, path, seen)
    const described = place?.reduce<unknown>(
      (at, key) => (at as Record<string, unknown> | undefined)?.[key],
      this.document
    )
    if (place === undefined || described === undefined) return [`${seen.status} is not described`]
    const { headers = {}, content = {} } = described as { headers?: object; content?: Record<string, unknown> }
    const unknown = Object.keys(this.document.components.headers)
      .filter((name) => seen.headers.has(name) && !(name in headers))
      .map((name) => `the header ${name} is not described`)
    if (method === "HEAD") return unknown
    const mediaType = seen.headers.get("content-type")?.split(";")[0]
    if (mediaType === undefined) return [...unknown, ...(seen.body === "" ? [] : ["a body has no type"])]
    if (!(mediaType in content)) return [...unknown, `${mediaType} is not described`]
    if (!isJson.test(mediaType)) return unknown
    const pointer = [...place, "content", mediaType, "schema"].map(segment).join("/")
    const validate = this.compiled.get(pointer) ?? this.validator.compile({ $ref: `document#/${encodeURI(pointer)}` })
    this.compiled.set(pointer, validate)
    if (validate(JSON.parse(seen.body))) return unknown
    const wrong = (validate.errors ?? []).map(({ instancePath, message, params }) =>
      `${instancePath} ${message} ${JSON.stringify(params)}`.trim()
    )
    return [...unknown, ...wrong]
  }
}

const description = new Description(openApi(routes))

/**
 * Returns an application that checks its answers. The application throws if its OpenAPI document does not describe an
 * answer.
 */
export const describedApp = (app: Hono): Hono => {
  const answer = app.fetch
  app.fetch = async (request, ...rest) => {
    const response = await answer(request, ...rest)
    // Only a JSON body is read, because the body of a stream may have no end.
    const body = isJson.test(response.headers.get("content-type") ?? "") ? await response.clone().text() : ""
    const { pathname } = new URL(request.url)
    const mistakes = description.mistakesIn(request.method, pathname, {
      status: response.status,
      headers: response.headers,
      body
    })
    if (mistakes.length > 0) throw new Error(`${request.method} ${pathname}: ${mistakes.join("; ")}: ${body}`)
    return response
  }
  return app
}
