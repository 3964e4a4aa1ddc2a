import { createHash } from "node:crypto"
import { Validator } from "@seriousme/openapi-schema-validator"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Effect, Schema } from "effect"
import { assert, constantFrom, double, integer, oneof, property, string } from "fast-check"
import { describe, expect, it } from "vitest"
import { makeApp } from "../../../src/edge/server/App.ts"
import {
  type Field,
  productTextField,
  purchaseIdField,
  quantityField,
  userIdField,
  valueField,
  wholeNumberField
} from "../../../src/edge/contract/Field.ts"
import { openApi } from "../../../src/edge/route/OpenApi.ts"
import { route } from "../../../src/edge/route/Route.ts"
import type { AnswerSpecs } from "../../../src/edge/contract/AnswerSpec.ts"
import { isProblem } from "../../../src/edge/contract/Problem.ts"
import { routes } from "../../../src/edge/server/Routes.ts"
import { Description } from "../../../src/harness/system/Description.ts"

const document = openApi(routes)
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method, path, operation }))
)
// The tests of this file ask no route that needs a service.
const app = makeApp({
  runPromiseExit: (effect, options) => Effect.runPromiseExit(effect as Effect.Effect<never>, options),
  isDraining: () => false
})

describe("GET /openapi.json", () => {
  it("GET /openapi.json is a valid OpenAPI 3.1 document of every route", async () => {
    const answer = await app.request("/openapi.json")
    const body = (await answer.json()) as Record<string, unknown>
    expect(body).toEqual(document)
    const validator = new Validator()
    expect(await validator.validate(body)).toEqual({ valid: true })
    expect(validator.version).toBe("3.1")
    expect(operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`).sort()).toEqual(
      routes.map(({ method, path }) => `${method} ${path}`).sort()
    )
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(routes.length)
  })

  it("the document names the scope that each route needs, and public routes need no scope", () => {
    expect(document.components.securitySchemes["token"]).toMatchObject({ type: "http", scheme: "bearer" })
    const scopeOf = ({ security }: (typeof operations)[number]["operation"]) =>
      security.find((one) => "token" in one)?.["token"] ?? []
    expect(operations.map(({ method, path, operation }) => [method, path, ...scopeOf(operation)]).sort()).toEqual(
      routes
        .map(({ method, path, scope }) => [method.toLowerCase(), path, ...(scope === "public" ? [] : [scope])])
        .sort()
    )
    const asked = openApi(routes, true).paths["/users/{id}/total"]?.["get"]?.security
    expect(asked).toEqual([{ token: ["users:read"] }, { cookie: ["users:read"] }])
    expect(document.paths["/users/{id}/total"]?.["get"]?.security).toEqual([{}, ...(asked ?? [])])
    const open = routes.filter(({ scope }) => scope === "public").map(({ path }) => path)
    expect(open).toEqual([
      "/livez",
      "/readyz",
      "/dashboard/{file}",
      "/session",
      "/session",
      "/session/end",
      "/",
      "/openapi.json",
      "/docs"
    ])
  })

  it("a route that does not declare its scope is a type error", () => {
    const declared = {
      method: "GET",
      path: "/forgotten",
      name: "forgotten",
      group: "Service",
      summary: "Says nothing of its scope",
      stores: false,
      parameters: {},
      answers: {} satisfies AnswerSpecs,
      handle: () => Effect.succeed(new Response())
    } as const
    // @ts-expect-error: `scope` is missing.
    expect(route(declared).scope).toBeUndefined()
  })

  it("each reference in the document leads to a part of the document", () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]*)"/g)].map(([, place = ""]) => place)
    expect(references.length).toBeGreaterThan(100)
    for (const place of references) {
      const found = place.split("/").reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], document)
      expect(found, place).toBeDefined()
    }
  })

  /** Yields each schema of the document, with its path. */
  const schemas = (value: unknown, path: string): ReadonlyArray<readonly [string, Record<string, unknown>]> => {
    if (typeof value !== "object" || value === null) return []
    const members = Object.entries(value).flatMap(([key, member]) => schemas(member, `${path}/${key}`))
    return Array.isArray(value) ? members : [[path, value as Record<string, unknown>], ...members]
  }

  it("the document gives each number a format that can hold every value within the number's bounds", () => {
    const numbers = schemas(document, "#").filter(([, { type }]) => type === "number" || type === "integer")
    expect(numbers.length).toBeGreaterThan(40)
    for (const [path, { type, format, minimum, maximum }] of numbers) {
      expect(type === "number" ? ["double"] : ["int32", "int64"], path).toContain(format)
      if (type !== "integer") continue
      const bits = format === "int32" ? 31 : 63
      expect(
        [minimum, maximum].every((bound) => typeof bound === "number" && Math.abs(bound) < 2 ** bits),
        path
      ).toBe(true)
    }
  })

  it("the document has sequences of 64 bits, and quantities of 32 bits in requests and answers", () => {
    const formats = (name: string) =>
      Object.fromEntries(
        Object.entries((document.components.schemas[name]?.["properties"] ?? {}) as Record<string, { format?: string }>)
          .filter(([, { format }]) => format?.startsWith("int"))
          .map(([member, { format }]) => [member, format])
      )
    expect(formats("PurchaseReceipt")).toEqual({
      number: "int64",
      quantity: "int32",
      inputSequence: "int64",
      ledgerSequence: "int64",
      repeatsDropped: "int64",
      conflictsRejected: "int64",
      reversed: "int32",
      left: "int32"
    })
    expect(formats("PurchaseRequest")).toEqual({ quantity: "int32" })
    expect(formats("RejectedListed")).toEqual({ inputSequence: "int64", index: "int32", payloadLength: "int64" })
    expect(formats("Problem")).toEqual({ status: "int32", left: "int32" })
  })

  it("each member has its description and its type in one place, where generated clients read them", () => {
    for (const [path, { allOf }] of schemas(document, "#")) {
      if (!Array.isArray(allOf)) continue
      for (const part of allOf as ReadonlyArray<object>) expect(Object.keys(part), path).not.toEqual(["description"])
    }
    expect(document.components.schemas["HistoryEntry"]?.["properties"]).toMatchObject({
      number: { type: "integer", description: expect.stringContaining("numbers its purchases and reversals") }
    })
  })

  it("the document has the schemas of purchases and pages, and each problem", () => {
    const post = document.paths["/purchases"]?.["post"]
    expect(Object.keys(post?.responses ?? {})).toEqual(
      "201 202 400 401 403 406 408 413 415 422 429 500 503 504 2XX".split(" ")
    )
    expect(post?.responses["422"]).toEqual({ $ref: "#/components/responses/refused-by-rules-or-conflicting-purchase" })
    expect(post?.parameters.map(({ name, in: place }) => `${place} ${name}`)).toEqual([
      "header prefer",
      "header idempotency-key"
    ])
    expect(document.components.schemas["PurchaseRequest"]).toMatchObject({
      required: ["userId", "productName", "productType", "value", "quantity"],
      additionalProperties: false,
      properties: { quantity: { type: "integer", minimum: 1, maximum: 100_000 } }
    })
    const history = document.paths["/users/{id}/purchases"]?.["get"]
    expect(history?.parameters.find(({ name }) => name === "limit")?.schema).toEqual({
      type: "integer",
      format: "int32",
      minimum: 1,
      maximum: 1_000,
      default: 20
    })
    for (const path of ["/feed", "/users/{id}/feed"]) {
      const feed = document.paths[path]?.["get"]
      const resuming = feed?.parameters.filter(({ name }) => name.replaceAll("-", "").toLowerCase() === "lasteventid")
      // The id of an event is opaque, so the document promises nothing about its form.
      expect(resuming?.map(({ in: place, schema }) => [place, schema])).toEqual([
        ["query", { type: "string" }],
        ["header", { type: "string" }]
      ])
      expect(JSON.stringify(feed?.responses["200"])).toMatch(/take the `id` as opaque text/)
    }
    expect(Object.keys(document.components.responses["unavailable"]?.headers ?? {})).toContain("retry-after")
  })
})

describe("a field of the OpenAPI document", () => {
  const documentedBy = (field: Field<unknown>) => {
    const { schema, definitions } = Schema.toJsonSchemaDocument(field.documented)
    return new Ajv2020({ strict: false }).compile({ ...schema, $defs: definitions })
  }
  const texts = oneof(string({ unit: "grapheme", maxLength: 70 }), string({ unit: "binary", maxLength: 5 }))
  const numbers = oneof(
    constantFrom("0", "1", "1000", "1001", "100000", "100001", "0.01", "0.001", "1000000", "1000000.01"),
    constantFrom("2.0", "2.5", "1E+2", "1e5", "1.5e1", "10.000", "1e-2", "1e-3", "1e400", "0.0", "-0"),
    integer({ min: -3, max: 110_000 }).map(String),
    integer({ min: -300, max: 100_000_300 }).map((cents) => String(cents / 100)),
    double({ noNaN: true, noDefaultInfinity: true }).map(String)
  )

  it.each([userIdField, purchaseIdField, productTextField("product")].map((field) => [field.name, field] as const))(
    "the field %s reads nothing that its schema refuses",
    (_name, field) => {
      const isDocumented = documentedBy(field)
      assert(
        property(texts, (text) => {
          const read = field.read(text)
          if (!isProblem(read)) expect(isDocumented(read), JSON.stringify(read)).toBe(true)
        })
      )
    }
  )

  const count = wholeNumberField("count", "malformed-request", 1, 1_000)
  it("the field count reads the numbers of its schema that are written in digits, and refuses all other texts", () => {
    const isDocumented = documentedBy(count)
    assert(
      property(numbers, (text) => {
        expect(!isProblem(count.read(text)), text).toBe(isDocumented(Number(text)) && /^[0-9]+$/.test(text))
      })
    )
  })

  it("the field quantity reads exactly the numbers of its schema, in any spelling", () => {
    const isDocumented = documentedBy(quantityField)
    assert(
      property(numbers, (text) => {
        expect(!isProblem(quantityField.read(text)), text).toBe(isDocumented(Number(text)))
      })
    )
  })

  it("the field value reads every number of its schema with at most two places, in any spelling", () => {
    const isDocumented = documentedBy(valueField)
    assert(
      property(numbers, (text) => {
        const number = Number(text)
        const hasTwoPlaces = Number(number.toFixed(2)) === number
        expect(!isProblem(valueField.read(text)), text).toBe(hasTwoPlaces && isDocumented(number))
      })
    )
  })
})

describe("GET /docs", () => {
  it("GET /docs has every route and schema, no script, and a policy that allows its style alone", async () => {
    const answer = await app.request("/docs")
    expect({ status: answer.status, contentType: answer.headers.get("content-type") }).toEqual({
      status: 200,
      contentType: "text/html; charset=utf-8"
    })
    const page = await answer.text()
    for (const { method, path, operation } of operations) {
      expect(page).toContain(`<h3 id="${operation.operationId}">${method.toUpperCase()} ${path}</h3>`)
      const [scope = ""] = operation.security.flatMap(({ token = [] }) => token)
      if (scope !== "") expect(page).toContain(`<p>Needs a token with the scope <code>${scope}</code>`)
    }
    for (const [, target] of page.matchAll(/href="#([^"]*)"/g)) expect(page).toContain(`id="${target}"`)
    expect(page).not.toMatch(/<script|<link|<img|<iframe|\ssrc=|\sstyle=|\son\w+=|url\(|https?:/i)
    const style = /<style>([\s\S]*)<\/style>/.exec(page)?.[1] ?? ""
    const hash = createHash("sha256").update(style).digest("base64")
    expect(answer.headers.get("content-security-policy")).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
    )
  })

  it("GET /docs is a page for callers who take pages, and for no other callers", async () => {
    const status = async (accept: string) => (await app.request("/docs", { headers: { accept } })).status
    expect(await status("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8")).toBe(200)
    expect(await status("text/html")).toBe(200)
    expect(await status("application/json")).toBe(406)
  })
})

// The tests of this folder compare every answer with the document. The tests of a route with wrong answers show that
// such a comparison finds a mistake.
describe("an answer that the document does not describe", () => {
  const description = new Description(document)
  const total = '{"userId":"ann","total":25.00,"currency":"USD","purchaseCount":1,"reversalCount":0,"known":true}'
  const mistakes = (method: string, path: string, status: number, body: string, headers: Record<string, string> = {}) =>
    description.mistakesIn(method, path, {
      status,
      body,
      headers: new Headers({
        "content-type": status < 400 ? "application/json" : "application/problem+json",
        ...headers
      })
    })
  const refusal = (kind: string, status: number) =>
    `{"type":"urn:purchase-ledger:problem:${kind}","title":"t","status":${status},"detail":"d","instance":"/"}`

  it.each([
    ["is described", "GET", "/users/ann/total", 200, total, {}, []],
    ["is a problem of the route", "GET", "/users/ann/total", 504, refusal("not-current", 504), {}, []],
    ["has no route", "GET", "/nothing", 404, refusal("not-found", 404), {}, []],
    ["has another status", "GET", "/users/ann/total", 201, total, {}, ["201 is not described"]],
    ["has another type", "GET", "/livez", 200, "x", { "content-type": "text/plain" }, ["text/plain is not described"]],
    [
      "has another header",
      "GET",
      "/livez",
      200,
      '{"status":"alive"}',
      { etag: '"1"' },
      ["the header etag is not described"]
    ],
    ["is a problem of others", "GET", "/livez", 504, refusal("not-current", 504), {}, ["504 is not described"]],
    [
      "has a number as a text",
      "GET",
      "/users/ann/total",
      200,
      total.replace("25.00", '"25"'),
      {},
      [expect.stringMatching(/^\/total must be number/)]
    ],
    [
      "has a member more",
      "GET",
      "/users/ann/total",
      200,
      total.replace("{", '{"x":1,'),
      {},
      [expect.stringContaining('{"additionalProperty":"x"}')]
    ],
    [
      "has a member less",
      "GET",
      "/users/ann/total",
      200,
      total.replace('"userId":"ann",', ""),
      {},
      [expect.stringContaining('{"missingProperty":"userId"}')]
    ],
    [
      "is a problem of another kind",
      "GET",
      "/users/ann/total",
      504,
      refusal("outcome-unknown", 504),
      {},
      [expect.stringMatching(/^\/type must be equal/)]
    ]
  ] as const)(
    "an answer that the document does not describe fails in tests: %s",
    (_what, method, path, status, body, headers, expected) => {
      expect(mistakes(method, path, status, body, headers)).toEqual(expected)
    }
  )
})
