import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { EdgeProcess } from "../../src/edge/runtime/EdgeRuntime.ts"
import { makeApp } from "../../src/edge/server/App.ts"
import { describedApp } from "../../src/harness/system/Description.ts"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"
import { refusal, seen } from "../support/TestService.ts"

// The tests of this file ask no route that needs a service.
const app = describedApp(
  makeApp({
    runPromiseExit: (effect, options) => Effect.runPromiseExit(effect as Effect.Effect<never>, options),
    isDraining: () => false
  })
)
const get = (path: string, headers: Record<string, string> = {}) => seen(app.request(path, { headers }))
const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

const directory = join(projectRoot, "src/dashboard")
const files = readdirSync(directory).filter((name) => /\.(js|css|svg)$/.test(name))

describe("GET /", () => {
  it.each([
    [browser, "text/html; charset=utf-8"],
    ["text/html", "text/html; charset=utf-8"],
    ["*/*", "application/json"],
    ["application/json", "application/json"],
    ["application/json, text/html;q=0.9", "application/json"],
    ["application/json;q=0.5, text/html", "text/html; charset=utf-8"]
  ])("GET / with Accept: %s is answered with %s", async (accept, type) => {
    const { status, headers } = await get("/", { accept })
    expect({ status, contentType: headers["content-type"] }).toEqual({ status: 200, contentType: type })
  })

  it("GET / is JSON for callers without an Accept header, and 406 for callers who take neither JSON nor HTML", async () => {
    expect((await get("/")).headers["content-type"]).toBe("application/json")
    expect(await get("/", { accept: "image/png" })).toEqual(
      refusal("not-acceptable", "Answers are application/json or text/html.", "/")
    )
  })

  it("the page may load only its own files, and has no inline script or style", async () => {
    const { headers, body } = await get("/", { accept: browser })
    expect(headers["content-security-policy"]).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    expect(body).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:|(?:src|href)="(?:https?:|\/\/)/i)
    expect(body.match(/<script/g)).toHaveLength(1)
    // The paths must be relative to the page, because a proxy may serve the page below a prefix.
    const paths = [...body.matchAll(/(?:src|href)="([^"#][^"]*)"/g)].map(([, path = ""]) => path)
    expect(paths.length).toBeGreaterThan(5)
    for (const path of paths) {
      expect(path).not.toMatch(/^\//)
      expect({ path, status: (await app.request(`/${path}`)).status }).toEqual({ path, status: 200 })
    }
  })
})

describe("an edge with DEMO", () => {
  const pageOf = async (demo: boolean) => {
    const runPromiseExit: EdgeProcess["runPromiseExit"] = (effect, options) =>
      Effect.runPromiseExit(effect as Effect.Effect<never>, options)
    const edge = makeApp({ demo, runPromiseExit, isDraining: () => false })
    return (await seen(edge.request("/", { headers: { accept: browser } }))).body
  }

  it("only the page of an edge with DEMO has the buttons that store random purchases", async () => {
    const buttons = ["Generate", "Duplicate", 'id="actions"']
    const demo = await pageOf(true)
    const other = await pageOf(false)
    expect(buttons.filter((button) => demo.includes(button))).toEqual(buttons)
    expect(buttons.filter((button) => other.includes(button))).toEqual([])
    expect((await get("/", { accept: browser })).body).toBe(other)
    expect(other).not.toMatch(/demo/i)
  })
})

describe("GET /dashboard/{file}", () => {
  const types = { js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8", svg: "image/svg+xml" }

  it.each(files)(
    "the file %s is served without a change, and is not sent again to callers who have it",
    async (name) => {
      const { status, headers, body } = await get(`/dashboard/${name}`, { accept: "*/*" })
      expect({ status, contentType: headers["content-type"], cacheControl: headers["cache-control"] }).toEqual({
        status: 200,
        contentType: types[name.split(".").at(-1) as keyof typeof types],
        cacheControl: "private, no-cache"
      })
      expect(body).toBe(readFileSync(join(directory, name), "utf8"))
      const again = await get(`/dashboard/${name}`, { "if-none-match": headers["etag"] ?? "" })
      expect({ status: again.status, body: again.body }).toEqual({ status: 304, body: "" })
    }
  )

  it("the dashboard's folder has every module that its modules import", () => {
    for (const name of files.filter((file) => file.endsWith(".js"))) {
      const imported = [...readFileSync(join(directory, name), "utf8").matchAll(/ from "([^"]*)"/g)]
      for (const [, path = ""] of imported) expect(files.map((file) => `./${file}`)).toContain(path)
    }
  })

  it("a path below /dashboard/ that names no file of the dashboard is answered with 404", async () => {
    for (const name of ["none.js", "page.html", "tsconfig.json", "..%2Fmain.ts", "constructor"]) {
      expect({ name, status: (await get(`/dashboard/${name}`)).status }).toEqual({ name, status: 404 })
    }
    expect(await get("/dashboard/none.js")).toEqual(
      refusal("not-found", "The dashboard has no file none.js.", "/dashboard/none.js")
    )
  })
})
