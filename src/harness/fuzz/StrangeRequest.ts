import { gzipSync } from "node:zlib"
import * as fc from "fast-check"
import type { Route } from "../../edge/route/Route.ts"

/** A request that a stranger may send. */
export interface StrangeRequest {
  readonly method: string
  readonly path: string
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  readonly body: string | Uint8Array | undefined
}

/** Texts that have broken other services: separators of paths, subjects, headers and JSON, and names of properties. */
const nasty = [
  "",
  " ",
  ".",
  "..",
  "*",
  ">",
  "=",
  "=00",
  "=2E",
  "%00",
  "%",
  "%zz",
  "\u0000",
  "\r\nA: 1",
  "'\"<b>",
  "__proto__",
  "constructor",
  "toString",
  "null",
  "\u202Eann",
  "\uD800",
  "e\u0301",
  "\u{1F600}",
  "ann/../bob",
  "ann?x=1#y",
  "a".repeat(129),
  "a".repeat(5_000)
]

/** Texts that stand where a number is expected. */
const numbers = [
  "0",
  "-1",
  "1",
  "7",
  "2.5",
  "1e3",
  "1e400",
  "NaN",
  "0x10",
  "+1",
  " 1",
  "9007199254740993",
  "9".repeat(400)
]

/** The most purchases that one request of a bulk route may store. A fuzz run sends many of these requests. */
const bulkMax = 20

const user = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("ann", "bob", "ann@x.org", "e\u0301", "\u00e9") },
  { weight: 2, arbitrary: fc.constantFrom(...nasty) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 40 }) }
)
const text = fc.oneof(
  user,
  fc.constantFrom(...numbers, "2026-01-31T12:00:00Z", "PT1M", "Europe/Berlin", "39.2", "order-1")
)

/**
 * Cursors and ids of events: some texts as the service makes them, and some texts that only look like cursors or ids.
 */
const cursor = fc.oneof(
  fc.constantFrom(...numbers, "39.2", "39.2.1", "0.0", "39.", ".2", "99999999999.1"),
  fc.base64String({ maxLength: 80 }),
  fc.json({ maxDepth: 2 }).map((json) => Buffer.from(json).toString("base64url")),
  fc.array(fc.nat(), { maxLength: 4 }).map((places) => places.join("."))
)

const amount = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 10_000 }).map((cents) => cents / 100) },
  fc.double(),
  fc.constantFrom(0, -1, 1e-3, "12.50", null, true)
)

const purchase = fc.record(
  {
    userId: user,
    purchaseId: fc.oneof(fc.constantFrom("p1", "p2", "p3"), text),
    productName: fc.oneof({ weight: 4, arbitrary: fc.constant("Lamp") }, text),
    productType: fc.oneof({ weight: 4, arbitrary: fc.constant("Office") }, text),
    value: amount,
    quantity: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 9 }) }, amount)
  },
  { requiredKeys: [] }
)

const rightPurchase = fc
  .tuple(fc.constantFrom("ann", "bob", "cid"), fc.nat({ max: 5_000 }), fc.integer({ min: 1, max: 9 }))
  .map(([userId, number, quantity]) => ({
    userId,
    purchaseId: `p${number}`,
    productName: "Lamp",
    productType: "Office",
    value: 12.5,
    quantity
  }))

const rule = fc.record(
  {
    measure: fc.oneof(fc.constantFrom("value", "quantity", "total", "spent", "count"), text),
    is: fc.oneof(fc.constantFrom("equal", "greater-or-equal", "less-or-equal", "crosses"), text),
    threshold: amount,
    within: fc.oneof(fc.constantFrom("P7D", "PT1M"), text, fc.record({ by: text, timeZone: text })),
    product: text,
    productType: text,
    who: fc.oneof(fc.constantFrom("self", "all"), text),
    enabled: fc.oneof(fc.boolean(), text)
  },
  { requiredKeys: [] }
)

const other = fc.record(
  { quantity: amount, reason: text, reversalId: text, token: text, url: text, enabled: fc.boolean(), resume: text },
  { requiredKeys: [] }
)

const json = fc.oneof(
  { weight: 4, arbitrary: rightPurchase.map((value) => JSON.stringify(value)) },
  { weight: 4, arbitrary: purchase.map((value) => JSON.stringify(value)) },
  { weight: 3, arbitrary: rule.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: other.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: fc.json({ maxDepth: 4 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("{", "[".repeat(2_000), '{"a":1,"a":2}', '{"value":1e999999999}', "\uFEFF{}")
  }
)

const body = fc.oneof(
  { weight: 5, arbitrary: json },
  { weight: 3, arbitrary: fc.array(json, { maxLength: 6 }).map((lines) => lines.join("\n")) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 200 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  { weight: 1, arbitrary: json.map((content) => new Uint8Array(gzipSync(content))) }
)

/** Returns bodies for a route: bodies of the kind that the route takes, and bodies of all kinds. */
const bodyFor = ({ name }: Pick<Route, "name">): fc.Arbitrary<StrangeRequest["body"]> => {
  const wanted = /rule/i.test(name) ? rule : /post|replay/i.test(name) ? fc.oneof(rightPurchase, purchase) : other
  return fc.oneof(
    wanted.map((value) => JSON.stringify(value)),
    body
  )
}

/** Returns a text as a value of a header: one byte for each character, and no line break. */
const asHeader = (value: string): string => value.replaceAll(/[^\t\x20-\x7E\x80-\xFF]/g, "?").slice(0, 4_000)

const headerValues: Readonly<Record<string, fc.Arbitrary<string>>> = {
  accept: fc.constantFrom(
    "*/*",
    "application/json",
    "text/event-stream",
    "text/html",
    "a/b;q=0",
    ";",
    ",,,",
    "application/*;q=x"
  ),
  "content-encoding": fc.constantFrom("gzip", "br", "identity", "gzip, gzip", ""),
  cookie: text,
  "idempotency-key": fc.oneof(fc.constantFrom('"k1"', "k1", '"'), text),
  "if-match": fc.oneof(fc.constantFrom("*", '"1"', 'W/"1"', '"1", "2"'), text),
  "if-none-match": fc.oneof(fc.constantFrom("*", '"1"'), text),
  "last-event-id": cursor,
  prefer: fc.oneof(fc.constantFrom("wait=1", "wait=0", "wait=-1", "wait=1, wait=2", "respond-async"), text),
  range: fc.constantFrom("bytes=0-1", "bytes=9-1", "items=0-5"),
  "sec-fetch-site": fc.constantFrom("cross-site", "same-origin", "none", "x"),
  traceparent: fc.constantFrom(`00-${"a".repeat(32)}-${"b".repeat(16)}-01`, "00-0-0-00", "x"),
  "x-forwarded-for": text
}

const mediaType = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("application/json", "application/x-ndjson") },
  fc.constantFrom(
    "text/plain",
    "application/json; charset=utf-16",
    "multipart/form-data",
    ";",
    "application/json, text/x"
  )
)

/**
 * The greatest number of strange headers of a request. With more strange headers, the edge would refuse nearly all
 * requests because of their headers.
 */
const headersMax = 3

const headers = fc
  .tuple(
    mediaType,
    fc.uniqueArray(
      fc
        .constantFrom(...Object.entries(headerValues))
        .chain(([name, value]) => value.map((given) => [name, asHeader(given)] as const)),
      { maxLength: headersMax, selector: ([name]) => name }
    )
  )
  .map(([type, given]) => [["content-type", type] as const, ...given])

/** Returns a text as a part of a path or a query: escaped, or without escapes. */
const part = (value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(value, fc.boolean()).map(([given, isRaw]) => {
    if (isRaw) return given.replaceAll(/[^!-~]|[#?]/g, "_").slice(0, 2_000)
    return encodeURIComponent(given.toWellFormed()).slice(0, 6_000)
  })

const count = fc.oneof(
  fc.integer({ min: 1, max: bulkMax }).map(String),
  fc.constantFrom("0", "-1", "x", "1e9", "9".repeat(40))
)

const pathOf = ({ path }: Pick<Route, "path">): fc.Arbitrary<string> =>
  fc
    .tuple(
      ...path.split(/(\{\w+\})/).map((piece) => {
        if (piece === "{count}") return part(count)
        return piece.startsWith("{") ? part(fc.oneof(text, cursor)) : fc.constant(piece)
      })
    )
    .map((pieces) => pieces.join(""))

/** The parameter with which a request waits for judges. A fuzz run has no judge. */
const waitingParameter = "through"

const queryOf = ({ query }: Pick<Route, "query">): fc.Arbitrary<string> => {
  const names = [...Object.keys(query).filter((name) => name !== waitingParameter), "unknown"]
  const one = fc
    .tuple(fc.constantFrom(...names), part(fc.oneof(cursor, text)))
    .map(([name, value]) => `${name}=${value}`)
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant("") },
    { weight: 1, arbitrary: fc.array(one, { minLength: 1, maxLength: 3 }).map((given) => `?${given.join("&")}`) }
  )
}

const authorization = (token: string): fc.Arbitrary<ReadonlyArray<readonly [string, string]>> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant([["authorization", `Bearer ${token}`] as const]) },
    {
      weight: 1,
      arbitrary: fc
        .oneof(text, cursor, fc.constantFrom(token.slice(0, -1), `${token}A`, token.replace("pl_", "pl_0")))
        .map((given) => [["authorization", asHeader(`Bearer ${given}`)] as const])
    },
    { weight: 1, arbitrary: text.map((given) => [["authorization", asHeader(given)] as const]) },
    { weight: 1, arbitrary: fc.constant([]) }
  )

/** Returns requests to a route. A request has a body unless its method is GET. */
const requestTo = (route: Route) =>
  fc.record({
    method: fc.constant<string>(route.method),
    path: fc.tuple(pathOf(route), queryOf(route)).map(([path, query]) => path + query),
    body: route.method === "GET" ? fc.constant(undefined) : bodyFor(route)
  })

/** Makes requests with random paths, few of which fit a route. */
const requestToNone = fc
  .tuple(fc.constantFrom("GET", "POST", "PATCH", "OPTIONS", "DELETE"), fc.array(part(text), { maxLength: 4 }), body)
  .map(([method, parts, sent]) => ({
    method,
    path: `/${parts.join("/")}`,
    body: method === "GET" ? undefined : sent
  }))

/** Returns requests to some of the given routes, or to no route. Most of the requests have the right token. */
export const strangeRequest = (routes: ReadonlyArray<Route>, token: string): fc.Arbitrary<StrangeRequest> => {
  // A route that takes a body can go wrong in more ways, so the list has the route three times.
  const listed = routes.flatMap((route) => (route.bodies.length > 0 ? [route, route, route] : [route]))
  const target = fc.oneof(
    { weight: 15, arbitrary: fc.constantFrom(...listed).chain(requestTo) },
    { weight: 1, arbitrary: requestToNone }
  )
  return fc
    .tuple(target, headers, authorization(token))
    .map(([to, given, by]) => ({ ...to, headers: [...given, ...by] }))
}
