import { afterAll, describe, expect, it } from "vitest"
import type { Route } from "../../src/edge/route/Route.ts"
import { routes } from "../../src/edge/server/Routes.ts"
import { inputMessages, purchaseText, refusal, seen, useService } from "../support/TestService.ts"

const service = useService()
afterAll(async () => {
  // No request of this file may store a purchase.
  expect(await inputMessages(service.client)).toEqual([])
})

/** A value for each path parameter, with which its route would answer. */
const samples: Readonly<Record<string, string>> = {
  id: "ann",
  userId: "ann",
  purchaseId: "order-1",
  reversalId: "return-1",
  ruleId: "cheap",
  letter: "7",
  inputSequence: "1",
  index: "0",
  count: "1",
  product: "Lamp",
  value: "12.50",
  qty: "2",
  file: "main.js"
}

const sampled = (name: string): string => {
  const sample = samples[name]
  if (sample === undefined) throw new Error(`This test has no sample for the parameter ${name} of a path.`)
  return sample
}

const pathOf = ({ path }: Route): string => path.replaceAll(/\{(\w+)\}/g, (_, name: string) => sampled(name))

const ask = (route: Route, query: string, method: string = route.method) => {
  const [body] = route.bodies
  return seen(
    service.edge.app.request(
      `${pathOf(route)}${query}`,
      body === undefined ? { method } : { method, headers: { "content-type": body.mediaType }, body: purchaseText() }
    )
  )
}

const titled = (list: ReadonlyArray<Route>) => list.map((route) => [`${route.method} ${route.path}`, route] as const)
const strict = routes.filter(({ otherQuery }) => otherQuery !== "ignored")
const lenient = routes.filter(({ otherQuery }) => otherQuery === "ignored")

const known = (route: Route): string => {
  const names = Object.keys(route.query)
  return names.length === 0 ? "It has no query parameters." : `It knows: ${names.join(", ")}.`
}

describe("an unknown query parameter", () => {
  it.each(titled(strict))(
    "an unknown query parameter of %s is refused with its name and the known names",
    async (_title, route) => {
      const detail = `This route knows no query parameter 'colour'. ${known(route)}`
      expect(await ask(route, "?colour=X")).toEqual(refusal("malformed-request", detail, pathOf(route)))
      expect((await ask(route, "?colour")).status).toBe(400)
    }
  )

  it.each(titled(lenient))("an unknown query parameter is ignored by %s", async (_title, route) => {
    const plain = await ask(route, "")
    expect(plain.status).toBe(200)
    expect(await ask(route, "?colour=X&colour=Y")).toEqual(plain)
  })

  it("an unknown query parameter is ignored only by the probes, and by the pages and files of a browser", () => {
    expect(lenient.map(({ path }) => path)).toEqual(["/livez", "/dashboard/{file}", "/", "/docs"])
  })

  it.each([
    ["beside known ones", "?limit=5&colour=X", "colour"],
    ["in another case", "?Limit=5", "Limit"],
    ["with a name of the language", "?__proto__=1", "__proto__"],
    ["with an encoded name", "?%63olour=X", "colour"],
    ["without a name", "?=X", ""],
    ["with a long name", `?${"x".repeat(1_000)}=1`, "x".repeat(40)]
  ])("an unknown query parameter %s is refused", async (_what, query, name) => {
    expect(await service.get(`/users/ann/purchases${query}`)).toEqual(
      refusal(
        "malformed-request",
        `This route knows no query parameter '${name}'. It knows: limit, cursor, order, from, to, after, before, product, productType, consistency.`,
        "/users/ann/purchases"
      )
    )
  })

  it("an unknown query parameter is refused in a request with HEAD", async () => {
    expect((await service.edge.app.request("/users/ann/total?x=1", { method: "HEAD" })).status).toBe(400)
  })

  it.each(["?", "?&", "?&&limit=5&"])("an empty part of a query is no unknown parameter: %s", async (query) => {
    expect((await service.get(`/users/ann/purchases${query}`)).status).toBe(200)
  })
})

describe("a query parameter that is given twice", () => {
  const parameters = routes.flatMap((route) =>
    Object.keys(route.query).map((name) => [`${name} of ${route.method} ${route.path}`, name, route] as const)
  )

  it.each(parameters)("a query parameter with two values is refused: %s", async (_title, name, route) => {
    expect(await ask(route, `?${name}=1&${name}=2`)).toEqual(
      refusal(
        "malformed-request",
        `The query parameter '${name}' is given more than once, as '1' and as '2'. Give it once.`,
        pathOf(route)
      )
    )
  })

  it("a query parameter that is given twice is one parameter if both values are equal", async () => {
    const once = await service.get("/users/ann/purchases?limit=5&consistency=eventual")
    expect(once.status).toBe(200)
    expect(await service.get("/users/ann/purchases?limit=5&consistency=eventual&limit=5")).toEqual(once)
  })

  it("a query parameter with a value and an empty value is refused", async () => {
    expect((await service.get("/users/ann/purchases?limit=5&limit")).status).toBe(400)
  })
})

describe("a known query parameter", () => {
  it("a known query parameter is read if its name and its value are percent-encoded", async () => {
    const plain = await service.get("/users/ann/total?at=2026-11-24T12:00:00%2B01:00")
    expect(plain.status).toBe(200)
    expect(await service.get("/users/ann/total?%61t=%32026-11-24T12:00:00%2B01:00")).toEqual(plain)
  })
})
