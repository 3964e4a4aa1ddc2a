import { JsonSchema, Schema } from "effect"
import packageJson from "../../../package.json" with { type: "json" }
import { type AnswerSpec, type AnswerHeader, answerHeaders, jsonMediaType } from "../contract/AnswerSpec.ts"
import { plainSchema } from "../contract/PlainSchema.ts"
import { ProblemBody, type ProblemKind, problemKinds, problemMediaType, problemType } from "../contract/Problem.ts"
import { sessionCookie } from "../access/Access.ts"
import { scopes } from "../../protocol/Scope.ts"
import { commonProblems, guardedProblems, namesUser, type Parameter, type Route } from "./Route.ts"

type Json = JsonSchema.JsonSchema

/** A parameter in the OpenAPI document. */
export interface DescribedParameter {
  readonly name: string
  readonly in: "path" | "query" | "header"
  readonly required: boolean
  readonly description?: string
  readonly schema: Json
}

type Content = Readonly<Record<string, { readonly schema: Json }>>

/** An answer in the OpenAPI document. The answers for problems are references to `components.responses`. */
export interface DescribedAnswer {
  readonly description: string
  readonly headers: Readonly<Record<string, { readonly $ref: string }>>
  readonly content?: Content
}
type Reference = { readonly $ref: string }

/** A route in the OpenAPI document. */
export interface Operation {
  readonly operationId: string
  readonly tags: ReadonlyArray<string>
  readonly summary: string
  readonly description?: string
  readonly parameters: ReadonlyArray<DescribedParameter>
  readonly requestBody?: { readonly required: true; readonly content: Content }
  readonly responses: Readonly<Record<string, DescribedAnswer | Reference>>
  /**
   * The ways in which a caller may show its rights, each with the scope that the caller's token needs. A caller needs
   * only one of the ways.
   */
  readonly security: ReadonlyArray<Readonly<Record<string, ReadonlyArray<string>>>>
}

/** A way in which callers show their rights. */
type SecurityScheme = { readonly description: string } & (
  | { readonly type: "http"; readonly scheme: "bearer" }
  | { readonly type: "apiKey"; readonly in: "cookie"; readonly name: string }
)

/** An OpenAPI document, version 3.1, as far as this service uses the format. */
export interface OpenApi {
  readonly openapi: "3.1.0"
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly servers: ReadonlyArray<{ readonly url: string }>
  readonly tags: ReadonlyArray<{ readonly name: string; readonly description: string }>
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, Json>>
    readonly headers: Readonly<Record<string, { readonly description: string; readonly schema: Json }>>
    readonly responses: Readonly<Record<string, DescribedAnswer>>
    readonly securitySchemes: Readonly<Record<string, SecurityScheme>>
  }
}

const description = `Takes purchases, and applies each purchase exactly once to the account of its user. Totals and histories include everything that was acknowledged before the request began.

Errors are \`${problemMediaType}\`. A query parameter that a route does not list, or that has two different values, is refused with 400. \`/livez\`, pages and the files of a page ignore parameters that they do not list. HEAD is GET without the body, if the GET stores nothing. Any other method that a path does not have gets 405 with Allow. Headers above 16 KiB are answered with 431. A request that takes too long to arrive is answered with 408. An \`Expect\` other than \`100-continue\` is answered with 417. An HTTP/1.1 request needs one \`Host\`, and an HTTP/1.0 request may have no \`Host\`. A \`Host\` that is not a name of the service is answered with 421. A request from a page of another origin is answered with 403.`

const groups: Record<Route["group"], string> = {
  Purchases: "Routes that store purchases and reversals.",
  Users: "Totals, histories and receipts of users.",
  Rules: "Rules of users about purchases. Each purchase that meets a rule gives one alert.",
  Alerts: "Purchases that met a rule of a user.",
  Webhooks: "URLs of users to which alerts are delivered, after the Standard Webhooks specification.",
  Rejected: "Rejected records, and replays with corrected purchases.",
  Feeds: "Purchases and reversals as they are applied, as server-sent events.",
  Compatible:
    "Routes of an earlier system. Some of these routes store by GET, because scripts of the earlier system use GET.",
  Service: "The service itself."
}

const problemHeaders: { readonly [Kind in ProblemKind]?: ReadonlyArray<AnswerHeader> } = {
  "method-not-allowed": ["allow"],
  "unsupported-media-type": ["accept-encoding"],
  "conflicting-purchase": ["location"],
  "conflicting-reversal": ["location"],
  unavailable: ["retry-after"],
  unauthenticated: ["www-authenticate"],
  forbidden: ["www-authenticate"],
  "too-many-requests": ["retry-after", "ratelimit", "ratelimit-policy"]
}
/** The problems that no route declares: for unknown paths and methods, and for requests that reach no route. */
const unroutedProblems = [
  "not-found",
  "method-not-allowed",
  "request-timeout",
  "expectation-failed",
  "wrong-host",
  "headers-too-large"
] as const

/** Returns the kinds of problems that a route may answer with. */
const problemsOf = (route: Route): ReadonlySet<ProblemKind> => {
  const read = [...Object.values(route.parameters), ...Object.values(route.query), ...Object.values(route.headers)]
  return new Set<ProblemKind>([
    ...commonProblems,
    ...read.flatMap(({ kind }) => kind ?? []),
    ...(route.bodies.length === 0 ? [] : (["body-too-large", "request-timeout", "unsupported-media-type"] as const)),
    ...(route.scope === "public" ? [] : guardedProblems),
    ...(namesUser(route) ? (["not-found"] as const) : []),
    ...(route.stores ? (["unavailable", "origin-refused"] as const) : []),
    ...route.problems
  ])
}

const isJsonSuccess = (status: number, { mediaType, body }: AnswerSpec): boolean =>
  status < 300 && mediaType === jsonMediaType && body !== undefined

/**
 * Returns the answers of a route by their status. A generated client expects the lowest 2xx status that it finds. If a
 * route has a success that is JSON, a success that is not JSON stands under `2XX`, which comes last.
 */
const answersByStatus = ({ answers }: Route): ReadonlyArray<readonly [string, AnswerSpec]> => {
  const all = Object.entries(answers).map(([status, answer]) => [Number(status), answer] as const)
  const hasJson = all.some(([status, answer]) => isJsonSuccess(status, answer))
  return all.map(([status, answer]) =>
    status < 300 && hasJson && !isJsonSuccess(status, answer)
      ? ["2XX", { ...answer, description: `Status ${status}. ${answer.description}` }]
      : [String(status), answer]
  )
}

/**
 * The parts of a document that other parts refer to by name. The description of a route adds the parts that the route
 * uses.
 */
interface Components {
  readonly schemas: Record<string, Json>
  readonly responses: Record<string, DescribedAnswer>
}

const describeSchema = (
  { schemas }: Components,
  schema: Schema.Constraint,
  onExcessProperty: "ignore" | "error" = "ignore"
): Json => {
  const { schema: root, definitions, dialect } = Schema.toJsonSchemaDocument(schema, { onExcessProperty })
  const described = JsonSchema.toMultiDocumentOpenApi3_1({ dialect, schemas: [root], definitions })
  for (const [name, unformatted] of Object.entries(described.definitions)) {
    const definition = plainSchema(unformatted)
    if (JSON.stringify(schemas[name] ?? definition) !== JSON.stringify(definition)) {
      throw new Error(`Two schemas are called ${name}.`)
    }
    schemas[name] = definition
  }
  return plainSchema(described.schemas[0])
}

const describeHeaders = (names: Iterable<AnswerHeader>): DescribedAnswer["headers"] =>
  Object.fromEntries(
    ["cache-control" as const, ...names].map((name) => [name, { $ref: `#/components/headers/${name}` }])
  )

const describeContent = (
  components: Components,
  body: Schema.Constraint,
  mediaType: string,
  otherMediaTypes: ReadonlyArray<string> = []
): Content => ({
  [mediaType]: { schema: describeSchema(components, body) },
  ...Object.fromEntries(otherMediaTypes.map((other) => [other, { schema: describeSchema(components, Schema.String) }]))
})

const describeAnswer = (components: Components, answer: AnswerSpec): DescribedAnswer => {
  const { description, mediaType, otherMediaTypes, body, headers } = answer
  return {
    description,
    headers: describeHeaders(headers),
    ...(body === undefined ? {} : { content: describeContent(components, body, mediaType, otherMediaTypes) })
  }
}

/**
 * Describes the answer for several kinds of problems with the same status. Adds the described answer to
 * `components.responses`.
 */
const describeProblems = (components: Components, kinds: ReadonlyArray<ProblemKind>): Reference => {
  const name = kinds.join("-or-")
  const types = { type: { enum: kinds.map(problemType) } }
  const body = describeSchema(components, ProblemBody)
  components.responses[name] = {
    description: `${kinds.map((kind) => problemKinds[kind][1]).join(", or: ")}.`,
    headers: describeHeaders(kinds.flatMap((kind) => problemHeaders[kind] ?? [])),
    content: { [problemMediaType]: { schema: { allOf: [body, { properties: types }] } } }
  }
  return { $ref: `#/components/responses/${name}` }
}

const describeOptional = (
  components: Components,
  location: "query" | "header",
  declared: Readonly<Record<string, Parameter<unknown>>>
): ReadonlyArray<DescribedParameter> =>
  Object.entries(declared).map(([name, { description, documented, otherwise }]) => ({
    name,
    in: location,
    required: false,
    description,
    schema: { ...describeSchema(components, documented), ...(otherwise === undefined ? {} : { default: otherwise }) }
  }))

const describeParameters = (components: Components, route: Route): ReadonlyArray<DescribedParameter> => [
  ...Object.entries(route.parameters).map(([name, { documented }]) => ({
    name,
    in: "path" as const,
    required: true,
    schema: describeSchema(components, documented)
  })),
  ...describeOptional(components, "query", route.query),
  ...describeOptional(components, "header", route.headers)
]

const describeBody = (components: Components, { bodies }: Route): Pick<Operation, "requestBody"> => {
  if (bodies.length === 0) return {}
  const content = bodies.map(({ mediaType, documented }) => [
    mediaType,
    { schema: describeSchema(components, documented, "error") }
  ])
  return { requestBody: { required: true, content: Object.fromEntries(content) } }
}

const describeResponses = (components: Components, route: Route): Operation["responses"] => {
  const answers = answersByStatus(route).map(([status, answer]) => [status, describeAnswer(components, answer)])
  const kindsByStatus = Map.groupBy(problemsOf(route), (kind) => problemKinds[kind][0])
  const problems = [...kindsByStatus].map(([status, kinds]) => [status, describeProblems(components, kinds)])
  return { ...Object.fromEntries(answers), ...Object.fromEntries(problems) }
}

const securitySchemes = {
  token: {
    type: "http",
    scheme: "bearer",
    description: [
      "A token has scopes. Each route that is not public needs one scope:",
      ...Object.entries(scopes).map(([name, may]) => `- \`${name}\`: ${may}`)
    ].join("\n")
  },
  cookie: {
    type: "apiKey",
    in: "cookie",
    name: sessionCookie,
    description: "The token, in the cookie that `POST /session` gives a browser."
  }
} as const

/**
 * Returns the rights that a route needs. An empty alternative of rights means that the edge asks nobody for a token.
 */
const describeSecurity = ({ scope }: Route, asksForTokens: boolean): Operation["security"] => {
  if (scope === "public") return []
  return [...(asksForTokens ? [] : [{}]), { token: [scope] }, { cookie: [scope] }]
}

const describeOperation = (components: Components, route: Route, asksForTokens: boolean): Operation => ({
  operationId: route.name,
  tags: [route.group],
  summary: route.summary,
  ...(route.description === undefined ? {} : { description: route.description }),
  parameters: describeParameters(components, route),
  ...describeBody(components, route),
  responses: describeResponses(components, route),
  security: describeSecurity(route, asksForTokens)
})

/**
 * Returns the OpenAPI document of routes. The document is made from the declarations of the routes and the schemas of
 * their requests. `asksForTokens` says whether callers need a token.
 */
export const openApi = (routes: ReadonlyArray<Route>, asksForTokens = false): OpenApi => {
  const components: Components = { schemas: {}, responses: {} }
  const paths = Object.fromEntries(
    [...Map.groupBy(routes, ({ path }) => path)].map(([path, known]) => [
      path,
      Object.fromEntries(
        known.map((route) => [route.method.toLowerCase(), describeOperation(components, route, asksForTokens)])
      )
    ])
  )
  for (const kind of unroutedProblems) describeProblems(components, [kind])
  const headers = Object.entries(answerHeaders).map(([name, description]) => [
    name,
    { description, schema: { type: "string" } }
  ])
  return {
    openapi: "3.1.0",
    info: { title: "Purchase ledger", version: packageJson.version, description },
    servers: [{ url: "/" }],
    tags: Object.entries(groups).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: components.schemas,
      headers: Object.fromEntries(headers),
      responses: components.responses,
      securitySchemes
    }
  }
}
