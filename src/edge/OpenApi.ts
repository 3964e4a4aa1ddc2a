import { JsonSchema, Schema } from "effect"
import packageJson from "../../package.json" with { type: "json" }
import { type AnswerSpec, type AnswerHeader, answerHeaders, jsonMediaType } from "./AnswerSpec.ts"
import { plainSchema } from "./PlainSchema.ts"
import { ProblemBody, type ProblemKind, problemKinds, problemMediaType, problemType } from "./Problem.ts"
import { commonProblems, type Route } from "./Route.ts"

type Json = JsonSchema.JsonSchema

/** One parameter as the document has it. */
export interface DescribedParameter {
  readonly name: string
  readonly in: "path" | "query" | "header"
  readonly required: boolean
  readonly description?: string
  readonly schema: Json
}

type Content = Readonly<Record<string, { readonly schema: Json }>>

/** One answer as the document has it; problems are references to `components.responses`. */
export interface DescribedAnswer {
  readonly description: string
  readonly headers: Readonly<Record<string, { readonly $ref: string }>>
  readonly content?: Content
}
type Reference = { readonly $ref: string }

/** One route as the document has it. */
export interface Operation {
  readonly operationId: string
  readonly tags: ReadonlyArray<string>
  readonly summary: string
  readonly description?: string
  readonly parameters: ReadonlyArray<DescribedParameter>
  readonly requestBody?: { readonly required: true; readonly content: Content }
  readonly responses: Readonly<Record<string, DescribedAnswer | Reference>>
}

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
  }
}

const description = `Takes purchases, applies each exactly once to its user's account, and answers totals and histories that include everything acknowledged before the question.

Errors are \`${problemMediaType}\`. A query parameter that a route does not list, or that has two different values, is refused with 400. \`/livez\`, pages and the files of a page ignore parameters that they do not list. HEAD is GET without the body where a GET stores nothing; any other method that a path does not have is answered with 405 and Allow. Headers above 16 KiB are answered with 431, and a request that is too slow to arrive with 408. An \`Expect\` other than \`100-continue\` is answered with 417. HTTP/1.1 needs one \`Host\`; HTTP/1.0 may leave it out.`

const groups: Record<Route["group"], string> = {
  Purchases: "Storing purchases.",
  Users: "What users have bought.",
  Rejected: "What could not be applied, and sending it again as it was meant.",
  Feeds: "What is applied, as it is applied.",
  Compatible: "The routes of the system that this one re-implements. Some store by GET, since scripts do so.",
  Service: "The service itself."
}

const problemHeaders: { readonly [Kind in ProblemKind]?: ReadonlyArray<AnswerHeader> } = {
  "method-not-allowed": ["allow"],
  "unsupported-media-type": ["accept-encoding"],
  "conflicting-purchase": ["location"],
  unavailable: ["retry-after"]
}
/** The problems that no route declares: of a path or method that no route has, and of requests that reach no route. */
const unroutedProblems = [
  "not-found",
  "method-not-allowed",
  "request-timeout",
  "expectation-failed",
  "headers-too-large"
] as const

/** The kinds of problems that a route may answer with. */
const problemsOf = (route: Route): ReadonlySet<ProblemKind> => {
  const read = [...Object.values(route.parameters), ...Object.values(route.query), ...Object.values(route.headers)]
  return new Set<ProblemKind>([
    ...commonProblems,
    ...read.flatMap(({ kind }) => kind ?? []),
    ...(route.bodies.length === 0 ? [] : (["body-too-large", "request-timeout", "unsupported-media-type"] as const)),
    ...(route.stores ? (["unavailable"] as const) : []),
    ...route.problems
  ])
}

const isJsonSuccess = (status: number, { mediaType, body }: AnswerSpec): boolean =>
  status < 300 && mediaType === jsonMediaType && body !== undefined

/**
 * Returns the answers of a route by their status. A generated client expects the lowest 2xx status that it finds. So a
 * success that is not JSON stands under `2XX`, which comes last, if the route has another one that is JSON.
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

/** Describes routes by what they declare, and by the schemas that read their requests. */
export const openApi = (routes: ReadonlyArray<Route>): OpenApi => {
  const schemas: Record<string, Json> = {}
  const responses: Record<string, DescribedAnswer> = {}

  const describe = (schema: Schema.Constraint, onExcessProperty: "ignore" | "error" = "ignore"): Json => {
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

  const describeHeaders = (names: Iterable<AnswerHeader>) =>
    Object.fromEntries(
      ["cache-control" as const, ...names].map((name) => [name, { $ref: `#/components/headers/${name}` }])
    )

  const describeAnswer = ({
    description,
    mediaType,
    otherMediaTypes = [],
    body,
    headers
  }: AnswerSpec): DescribedAnswer => {
    const others = otherMediaTypes.map((other) => [other, { schema: describe(Schema.String) }])
    const content = (schema: Schema.Constraint) => ({
      [mediaType]: { schema: describe(schema) },
      ...Object.fromEntries(others)
    })
    return {
      description,
      headers: describeHeaders(headers),
      ...(body === undefined ? {} : { content: content(body) })
    }
  }

  /** A reference to the answer with one of these problems of one status. */
  const problemAnswer = (kinds: ReadonlyArray<ProblemKind>): Reference => {
    const name = kinds.join("-or-")
    const types = { type: { enum: kinds.map(problemType) } }
    responses[name] = {
      description: `${kinds.map((kind) => problemKinds[kind][1]).join(", or: ")}.`,
      headers: describeHeaders(kinds.flatMap((kind) => problemHeaders[kind] ?? [])),
      content: { [problemMediaType]: { schema: { allOf: [describe(ProblemBody), { properties: types }] } } }
    }
    return { $ref: `#/components/responses/${name}` }
  }

  const operationOf = (route: Route): Operation => ({
    operationId: route.name,
    tags: [route.group],
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    parameters: [
      ...Object.entries(route.parameters).map(([name, { documented }]) => ({
        name,
        in: "path" as const,
        required: true,
        schema: describe(documented)
      })),
      ...(["query", "header"] as const).flatMap((place) =>
        Object.entries(place === "query" ? route.query : route.headers).map(
          ([name, { description, documented, otherwise }]) => ({
            name,
            in: place,
            required: false,
            description,
            schema: { ...describe(documented), ...(otherwise === undefined ? {} : { default: otherwise }) }
          })
        )
      )
    ],
    ...(route.bodies.length === 0
      ? {}
      : {
          requestBody: {
            required: true,
            content: Object.fromEntries(
              route.bodies.map(({ mediaType, documented }) => [mediaType, { schema: describe(documented, "error") }])
            )
          }
        }),
    responses: {
      ...Object.fromEntries(answersByStatus(route).map(([status, answer]) => [status, describeAnswer(answer)])),
      ...Object.fromEntries(
        [...Map.groupBy(problemsOf(route), (kind) => problemKinds[kind][0])].map(([status, kinds]) => [
          status,
          problemAnswer(kinds)
        ])
      )
    }
  })

  const paths = Object.fromEntries(
    [...Map.groupBy(routes, ({ path }) => path)].map(([path, known]) => [
      path,
      Object.fromEntries(known.map((route) => [route.method.toLowerCase(), operationOf(route)]))
    ])
  )
  for (const kind of unroutedProblems) problemAnswer([kind])

  return {
    openapi: "3.1.0",
    info: { title: "Purchase ledger", version: packageJson.version, description },
    servers: [{ url: "/" }],
    tags: Object.entries(groups).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas,
      headers: Object.fromEntries(
        Object.entries(answerHeaders).map(([name, description]) => [name, { description, schema: { type: "string" } }])
      ),
      responses
    }
  }
}
