import { Context, Duration, Effect } from "effect"
import type { Hono } from "hono"
import { describe, expect, it } from "vitest"
import type { EdgeServices } from "../../src/edge/runtime/EdgeRuntime.ts"
import { RulesInAll } from "../../src/alerts/RulesInAll.ts"
import { RuleStore } from "../../src/alerts/RuleStore.ts"
import { RuleValues } from "../../src/nats/RuleValues.ts"
import { CommitConflict } from "../../src/nats/client/ConditionalAppend.ts"
import { OutcomeUnknown } from "../../src/protocol/BrokerError.ts"
import { rulesMax } from "../../src/rules/RuleSet.ts"
import { BrokerAdmin } from "../../src/harness/system/BrokerAdmin.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { decodeToken } from "../../src/protocol/Subject.ts"
import { startEdge, startJudge } from "../../src/harness/system/TestLedger.ts"
import { appOn, answered, refusal, type Seen, seen, useService } from "../support/TestService.ts"

const service = useService({ withoutWorker: true })

const json = { "content-type": "application/json" }

/** The JSON text of a rule: a price of 900 or less for a laptop. Members with `undefined` are left out. */
const ruleText = (members: Record<string, unknown> = {}): string =>
  JSON.stringify({ product: "Laptop", measure: "value", is: "less-or-equal", threshold: 900, ...members })

const spent = (members: Record<string, unknown> = {}): string =>
  ruleText({ product: undefined, measure: "spent", is: undefined, threshold: 200, ...members })

const askOn = (app: Hono, method: string, path: string, body?: string, headers: Record<string, string> = {}) =>
  seen(app.request(path, { method, ...(body === undefined ? {} : { body }), headers: { ...json, ...headers } }))

const ask = (method: string, path: string, body?: string, headers?: Record<string, string>): Promise<Seen> =>
  askOn(service.edge.app, method, path, body, headers)

const put = (path: string, body = ruleText(), headers?: Record<string, string>) => ask("PUT", path, body, headers)

type Values = (typeof RuleValues)["Service"]

/** Makes an edge's application over the values of rules that `replace` returns, with a number of rules of all users. */
// The context of a started edge has more services than its routes use.
const realValues = () => Context.get(service.edge.services as Context.Context<EdgeServices | RuleValues>, RuleValues)

const appOver = async (replace: (real: Values) => Partial<Values>, rulesInAll = 0): Promise<Hono> => {
  const real = realValues()
  const store = await Effect.runPromise(
    Effect.service(RuleStore).pipe(
      Effect.provide(RuleStore.layer),
      Effect.provideService(RuleValues, RuleValues.of({ ...real, ...replace(real) })),
      Effect.provideService(RulesInAll, Effect.succeed(rulesInAll))
    )
  )
  return appOn(Context.add(service.edge.services, RuleStore, store))
}

interface Listed {
  readonly ledgerSequence: number
  readonly rules: ReadonlyArray<{
    readonly ruleId: string
    readonly version: number
    readonly number: number
    readonly rule: { readonly enabled: boolean }
  }>
}
const rulesOf = async (userId: string) => JSON.parse((await service.get(`/users/${userId}/rules`)).body) as Listed

/** The users who have or had rules. */
const usersWithRules = async (): Promise<ReadonlyArray<string>> => {
  const admin = await BrokerAdmin.open(service.broker.url, service.settings.partitions)
  const keys = Object.keys(await admin.keys("rules.*"))
  await admin.close()
  return keys.map((key) => decodeToken(key.slice("rules.".length)))
}

/** The number of values that the journal has of a user's rules. */
const valuesOf = async (userId: string): Promise<number> => {
  const admin = await BrokerAdmin.open(service.broker.url, service.settings.partitions)
  const count = (await admin.keys("rules.*"))[`rules.${userId}`] ?? 0
  await admin.close()
  return count
}

const sequenceOf = ({ body }: { readonly body: string }): number =>
  (JSON.parse(body) as { readonly ledgerSequence: number }).ledgerSequence

describe("PUT /users/{id}/rules/{ruleId}", () => {
  it("PUT stores a new rule, and answers 201 with its version, its ledgerSequence and the rule as a sentence", async () => {
    const stored = await put(
      "/users/ann/rules/cheap",
      '{"threshold":900.0,"is":"less-or-equal","measure":"value","product":"Laptop"}'
    )
    const { ledgerSequence } = JSON.parse(stored.body) as Listed
    const rule =
      '{"who":"self","product":"Laptop","measure":"value","is":"less-or-equal","threshold":900.00,"enabled":true}'
    const body = `{"userId":"ann","ruleId":"cheap","version":1,"number":${ledgerSequence},"inWords":"Alert when you buy \\"Laptop\\" for 900.00 USD or less a piece.","rule":${rule}`
    expect(stored).toEqual(
      answered(201, `${body},"ledgerSequence":${ledgerSequence}}`, { etag: '"1"', location: "/users/ann/rules/cheap" })
    )
    expect(await service.get("/users/ann/rules/cheap")).toEqual(
      answered(200, `${body}}`, { etag: '"1"', "cache-control": "private, no-cache" })
    )
    expect(await service.get("/users/ann/rules/cheap", { "if-none-match": '"1"' })).toMatchObject({ status: 304 })
  })

  it("a PUT of the same rule is answered with 200, and the rule keeps its version, however it is written", async () => {
    const first = await put("/users/bob/rules/r", ruleText({ threshold: 12.5 }))
    let before = sequenceOf(first)
    for (const body of [
      ruleText({ threshold: 12.5 }),
      '{ "measure":"value", "product":"Laptop", "is":"less-or-equal", "threshold":1.250E1, "who":"self", "enabled":true, "note":"" }'
    ]) {
      const again = await put("/users/bob/rules/r", body)
      expect(again).toMatchObject({ status: 200, headers: { etag: '"1"' } })
      expect({ ...JSON.parse(again.body), ledgerSequence: 0 }).toEqual({ ...JSON.parse(first.body), ledgerSequence: 0 })
      expect(sequenceOf(again)).toBeGreaterThan(before)
      before = sequenceOf(again)
    }
    expect(await valuesOf("bob")).toBe(3)
  })

  it("a PUT stores a rule that was removed, although a broker that is cut off still has the rule", async () => {
    const path = "/users/bea/rules/r"
    await put(path)
    const removed = await Effect.runPromise(realValues().newest("bea"))
    await ask("DELETE", path)
    let isCutOff = true
    const app = await appOver((real) => ({
      newest: (userToken) => {
        if (!isCutOff) return real.newest(userToken)
        isCutOff = false
        return Effect.succeed(removed)
      }
    }))
    expect(await askOn(app, "PUT", path, ruleText())).toMatchObject({ status: 201, headers: { etag: '"3"' } })
    expect((await rulesOf("bea")).rules.map(({ ruleId }) => ruleId)).toEqual(["r"])
  })

  it("a changed rule has a new version, the same number, and a higher ledgerSequence", async () => {
    const first = JSON.parse((await put("/users/cleo/rules/r")).body) as { number: number; ledgerSequence: number }
    const changed = await put("/users/cleo/rules/r", ruleText({ threshold: 800, enabled: false }))
    expect(changed).toMatchObject({ status: 200, headers: { etag: '"2"' } })
    const body = JSON.parse(changed.body) as { number: number; ledgerSequence: number; inWords: string }
    expect(body.number).toBe(first.number)
    expect(body.ledgerSequence).toBeGreaterThan(first.ledgerSequence)
    expect(body.inWords).toContain("The rule is switched off.")
  })

  it("no two rules under one id have the same version, even if the first rule was removed", async () => {
    await put("/users/dan/rules/r")
    expect(await ask("DELETE", "/users/dan/rules/r")).toMatchObject({ status: 204, body: "" })
    const again = await put("/users/dan/rules/r")
    expect(again).toMatchObject({ status: 201, headers: { etag: '"3"' } })
  })

  it("every kind of rule is read back as it was sent", async () => {
    const rules = [
      ruleText({
        who: "all",
        product: undefined,
        productType: "Electrónica",
        measure: "total",
        note: "“big” \\ \n".trim()
      }),
      ruleText({ measure: "quantity", is: "equal", threshold: 5 }),
      spent({ within: "P7D", from: "2026-01-01T00:00:00.000Z", until: "2026-12-31T23:00:00.000Z" }),
      spent({ measure: "count", within: { by: "month", timeZone: "Europe/Berlin" }, threshold: 3, is: "crosses" })
    ]
    for (const [index, text] of rules.entries()) expect((await put(`/users/eve/rules/${index}`, text)).status).toBe(201)
    const { rules: listed } = JSON.parse((await service.get("/users/eve/rules")).body) as {
      rules: ReadonlyArray<{ ruleId: string; rule: object }>
    }
    expect(listed.map(({ ruleId }) => ruleId)).toEqual(["0", "1", "2", "3"])
    for (const [index, { ruleId, rule }] of listed.entries()) {
      expect(rule).toMatchObject(JSON.parse(rules[index] ?? "") as object)
      expect(await put(`/users/eve/rules/${ruleId}`, JSON.stringify(rule))).toMatchObject({
        status: 200,
        headers: { etag: `"${index + 1}"` }
      })
    }
  })
})

describe("the conditions of a change", () => {
  const path = "/users/fay/rules/r"
  const stale = (version: number) =>
    refusal(
      "precondition-failed",
      `The rule r of user fay has the ETag "${version}". Nothing was changed. Read the rule, and send If-Match: "${version}" to change it.`,
      path
    )

  it("a change with a stale If-Match gets 412, and a change with the newest ETag is made", async () => {
    expect(await put(path, ruleText(), { "if-none-match": "*" })).toMatchObject({ status: 201 })
    expect(await put(path, ruleText({ threshold: 1 }), { "if-match": '"1"' })).toMatchObject({ status: 200 })
    for (const tag of ['"1"', '"99"', '"two"', 'W/"2"', '"1", "3"']) {
      expect(await put(path, ruleText({ threshold: 2 }), { "if-match": tag })).toEqual(stale(2))
      expect(await ask("DELETE", path, undefined, { "if-match": tag })).toEqual(stale(2))
    }
    expect(await put(path, ruleText({ threshold: 3 }), { "if-match": '"1", "2"' })).toMatchObject({
      status: 200,
      headers: { etag: '"3"' }
    })
    expect(await put(path, ruleText({ threshold: 4 }), { "if-match": "*" })).toMatchObject({ status: 200 })
  })

  it("a change with If-Match whose answer was lost is answered with 200 when it comes again", async () => {
    const again = await put(path, ruleText({ threshold: 4 }), { "if-match": '"3"' })
    expect(again).toMatchObject({ status: 200, headers: { etag: '"4"' } })
    const values = await valuesOf("fay")
    expect(await put(path, ruleText({ threshold: 4 }), { "if-match": '"99"' })).toEqual(stale(4))
    expect(await valuesOf("fay")).toBe(values)
  })

  it("If-None-Match: * refuses a PUT of a rule that exists, even with the same content", async () => {
    expect(await put(path, ruleText({ threshold: 4 }), { "if-none-match": "*" })).toEqual(stale(4))
    expect(await put(path, ruleText({ threshold: 5 }), { "if-none-match": '"4"' })).toEqual(stale(4))
    expect(await put(path, ruleText({ threshold: 5 }), { "if-none-match": '"3"' })).toMatchObject({ status: 200 })
  })

  it("a PUT with If-Match of a rule that does not exist gets 412, and a DELETE of such a rule gets 404", async () => {
    const detail =
      "User fay has no rule new, so If-Match cannot hold. Nothing was changed. Leave out If-Match to create the rule."
    const expected = refusal("precondition-failed", detail, "/users/fay/rules/new")
    expect(await put("/users/fay/rules/new", ruleText(), { "if-match": "*" })).toEqual(expected)
    expect(await put("/users/fay/rules/new", ruleText(), { "if-match": '"1"' })).toEqual(expected)
    expect(await ask("DELETE", "/users/fay/rules/new", undefined, { "if-match": '"1"' })).toMatchObject({ status: 404 })
  })

  it("a removal under the newest ETag is made, and a header that is no list of ETags gets 400", async () => {
    for (const tag of ["5", "'5'", '"5', "", '"5";x']) {
      const detail = `If-Match must be * or a list of ETags in quotes, like "3", and is ${tag}.`
      expect(await ask("DELETE", path, undefined, { "if-match": tag })).toEqual(
        refusal("malformed-request", detail, path)
      )
    }
    expect(await ask("DELETE", path, undefined, { "if-match": '"5"' })).toMatchObject({ status: 204 })
  })
})

describe("DELETE and GET of rules", () => {
  it("a GET of a removed rule gets 404, and so does a second DELETE", async () => {
    const path = "/users/gus/rules/r"
    await put(path)
    await put("/users/gus/rules/other")
    expect((await ask("DELETE", path)).status).toBe(204)
    const expected = refusal("not-found", "User gus has no rule r. GET /users/{id}/rules lists the rules.", path)
    expect(await ask("DELETE", path)).toEqual(expected)
    expect(await service.get(path)).toEqual(expected)
    expect((await rulesOf("gus")).rules.map(({ ruleId }) => ruleId)).toEqual(["other"])
    expect(await valuesOf("gus")).toBe(3)
  })

  it("the list of rules is empty at first, and its ETag changes with each change", async () => {
    expect(await service.get("/users/hal/rules")).toEqual(
      answered(200, '{"userId":"hal","ledgerSequence":0,"rules":[]}', {
        etag: '"0"',
        "cache-control": "private, no-cache"
      })
    )
    const { ledgerSequence } = JSON.parse((await put("/users/hal/rules/r")).body) as Listed
    const list = await service.get("/users/hal/rules", { "if-none-match": '"0"' })
    expect(list).toMatchObject({ status: 200, headers: { etag: '"1"' } })
    expect(JSON.parse(list.body)).toMatchObject({ ledgerSequence, rules: [{ ruleId: "r", version: 1 }] })
    expect(await service.get("/users/hal/rules", { "if-none-match": '"1"' })).toMatchObject({ status: 304, body: "" })
  })

  it("ids are read in normalization form C, and may hold every character of a purchase id", async () => {
    const decomposed = encodeURIComponent("cafe\u0301 > *")
    expect((await put(`/users/${encodeURIComponent("ann@x.org")}/rules/${decomposed}`)).headers["location"]).toBe(
      `/users/ann%40x.org/rules/${encodeURIComponent("caf\u00e9 > *")}`
    )
    expect(await put(`/users/ann@x.org/rules/${encodeURIComponent("caf\u00e9 > *")}`)).toMatchObject({ status: 200 })
  })
})

describe("a rule that is refused", () => {
  const years = "P36525D"
  const malformed = 400
  const refused = 422
  const cases: ReadonlyArray<readonly [string, string, number, string]> = [
    ["an unknown field", ruleText({ colour: "red" }), malformed, '"colour" is not a field of a rule.'],
    ["the field __proto__", '{"__proto__":{},"measure":"value","is":"equal","threshold":1}', malformed, "__proto__"],
    ["a field twice", '{"measure":"value","measure":"total","is":"equal","threshold":1}', malformed, "stands twice"],
    ["three decimals", ruleText({ threshold: 1.005 }), refused, "too many decimal places"],
    ["a threshold of 0", ruleText({ threshold: 0 }), refused, "threshold must be from 0.01"],
    ["a threshold of -0", '{"measure":"value","is":"equal","threshold":-0}', refused, "threshold must be from 0.01"],
    ["1e400", '{"measure":"value","is":"equal","threshold":1e400}', refused, "out of range"],
    ["a threshold as text", ruleText({ threshold: "5" }), refused, 'is "5"'],
    ["NaN", '{"measure":"value","is":"equal","threshold":NaN}', malformed, "not JSON"],
    ["half a piece", ruleText({ measure: "quantity", threshold: 1.5 }), refused, "threshold must be a whole number"],
    ["a window of 0", spent({ within: "PT0S" }), refused, "within must be a length from PT1M to P31D"],
    ["a window of 100 years", spent({ within: years }), refused, `and is "${years}"`],
    ["a window in years", spent({ within: "P100Y" }), refused, 'and is "P100Y"'],
    ["a window of a value", ruleText({ within: "P7D" }), refused, "within is for the measures spent and count"],
    ["an unknown zone", spent({ within: { by: "day", timeZone: "Mars/Olympus" } }), refused, "Mars/Olympus"],
    ["crosses on a value", ruleText({ is: "crosses" }), refused, "the measure is value"],
    ["product and type", ruleText({ productType: "Electronics" }), refused, "exclude each other"],
    ["no measure", ruleText({ measure: undefined }), refused, "measure must be one of"],
    ["a list", "[]", malformed, "A rule is one JSON object."],
    ["an empty body", "", malformed, "not JSON"],
    ["nested lists", "[".repeat(7_000), malformed, "not JSON"],
    [
      "an end before its begin",
      ruleText({ from: "2026-02-01T00:00:00Z", until: "2026-01-01T00:00:00Z" }),
      refused,
      "until"
    ],
    ["a long note", ruleText({ note: "x".repeat(201) }), refused, "at most 200 characters"]
  ]

  it.each(cases)("a rule with %s gets a problem, and nothing is stored", async (_what, body, status, detail) => {
    const answer = await put("/users/ida/rules/r", body)
    expect(answer).toMatchObject({ status, headers: { "content-type": "application/problem+json" } })
    expect(JSON.parse(answer.body)).toMatchObject({ status, detail: expect.stringContaining(detail) })
    expect(await valuesOf("ida")).toBe(0)
  })

  it("a body that is too large, no text, or of another type gets a problem, and nothing is stored", async () => {
    const path = "/users/ida/rules/r"
    expect(await put(path, ruleText({ note: "x".repeat(16 * 1024) }))).toEqual(
      refusal("body-too-large", "A rule has at most 16384 bytes.", path)
    )
    expect(await put(path, ruleText(), { "content-type": "text/plain" })).toEqual(
      refusal("unsupported-media-type", "Send one rule as application/json.", path)
    )
    const bytes = new Uint8Array([0x7b, 0xff, 0x7d])
    const request = service.edge.app.request(path, { method: "PUT", body: bytes, headers: json })
    expect(await seen(request)).toEqual(refusal("malformed-request", "The body could not be read as UTF-8 text.", path))
    expect(await valuesOf("ida")).toBe(0)
  })

  it.each(["%20a", "..%2Fx", "%00", "x".repeat(129), "%E2%80%AE"])("the rule id %s gets a problem", async (ruleId) => {
    const answer = await put(`/users/ida/rules/${ruleId}`)
    expect([400, 422]).toContain(answer.status)
    expect(answer.body).toContain('"detail":"ruleId must')
    expect((await ask("DELETE", `/users/ida/rules/${ruleId}`)).status).toBe(answer.status)
    expect(await valuesOf("ida")).toBe(0)
  })

  it("a page of another site stores and removes no rule, and learns nothing from OPTIONS", async () => {
    await put("/users/jan/rules/r")
    const foreign = { "sec-fetch-site": "cross-site" }
    for (const path of ["/users/jan/rules/r", "/users/jan/rules/new"]) {
      expect(await put(path, ruleText({ threshold: 1 }), foreign)).toMatchObject({ status: 403 })
      expect(await ask("DELETE", path, undefined, foreign)).toMatchObject({ status: 403 })
      const options = await ask("OPTIONS", path, undefined, { origin: "http://evil.example" })
      expect(options).toMatchObject({ status: 405, headers: { allow: "PUT, GET, HEAD, DELETE" } })
      expect(Object.keys(options.headers).filter((name) => name.startsWith("access-control"))).toEqual([])
    }
    expect(await valuesOf("jan")).toBe(1)
  })
})

describe("the bounds of the rules of a user", () => {
  it("the 101st rule gets 409, an existing rule can be changed, and a removed rule makes room for a new rule", async () => {
    for (let number = 1; number <= 100; number += 1) await put(`/users/kim/rules/r${number}`)
    const before = await valuesOf("kim")
    const path = "/users/kim/rules/r101"
    expect(await put(path)).toEqual(refusal("rules-full", "A user has at most 100 rules: remove one first.", path))
    expect(await valuesOf("kim")).toBe(before)
    expect(await put("/users/kim/rules/r7", ruleText({ threshold: 7 }))).toMatchObject({ status: 200 })
    await ask("DELETE", "/users/kim/rules/r7")
    expect((await put(path)).status).toBe(201)
  })

  it("the eleventh rule about all users gets 409, even if it replaces a rule about its owner", async () => {
    for (let number = 1; number <= 10; number += 1) await put(`/users/lou/rules/a${number}`, ruleText({ who: "all" }))
    await put("/users/lou/rules/own")
    for (const path of ["/users/lou/rules/a11", "/users/lou/rules/own"]) {
      expect(await put(path, ruleText({ who: "all" }))).toEqual(
        refusal("rules-full", "A user has at most 10 rules about all users: remove one first.", path)
      )
    }
  })

  it("a judge tells edges how many rules are switched on", async () => {
    await put("/users/mia/rules/on")
    await put("/users/mia/rules/off", ruleText({ enabled: false }))
    const told: Array<string> = []
    const subscription = service.client.subscribe("judge-rules.*", {
      callback: (_error, message) => void told.push(message.string())
    })
    const judge = await startJudge({ ...service.settings, workerHeartbeat: Duration.millis(50) })
    const list = await Promise.all((await usersWithRules()).map(rulesOf))
    const on = list.flatMap(({ rules }) => rules).filter(({ rule }) => rule.enabled).length
    await until("the judge has told the count", () => told.includes(String(on)))
    await judge.stop()
    subscription.unsubscribe()
  })

  it("a new rule gets 409 while a judge reports that all users together have too many rules, and no longer", async () => {
    const path = "/users/mel/rules/r"
    await put("/users/mel/rules/old")
    const tell = async (judge: string, rules: number) => {
      service.client.publish(`judge-rules.${judge}`, String(rules))
      await service.client.flush()
    }
    await tell("behind", 5)
    await tell("j", rulesMax)
    let probes = 0
    await until("the edge has heard it", async () => (await put(`/users/mel/rules/p${(probes += 1)}`)).status === 409)
    expect(await put(path)).toEqual(
      refusal("rules-full", "All users together have at most 1000000 rules, and have 1000000.", path)
    )
    expect(await put("/users/mel/rules/old", ruleText({ threshold: 1 }))).toMatchObject({ status: 200 })
    await tell("j", rulesMax - 1)
    await until("the edge has heard it", async () => (await put(path)).status === 201)
  })

  it("a rule beyond the bound of all users together gets 409 where the process counts the rules", async () => {
    const app = await appOver(() => ({}), rulesMax)
    expect(await askOn(app, "PUT", "/users/max/rules/r", ruleText())).toMatchObject({ status: 409 })
    expect(await valuesOf("max")).toBe(0)
  })
})

describe("changes of one user's rules at once", () => {
  it("of 50 rules at once over three edges, a user with 95 rules gets exactly 5, and none is lost", async () => {
    for (let number = 1; number <= 95; number += 1) await put(`/users/ned/rules/r${number}`)
    const others = await Promise.all([startEdge(service.settings), startEdge(service.settings)])
    const apps = [service.edge.app, ...others.map(({ app }) => app)]
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        askOn(
          apps[index % apps.length] ?? service.edge.app,
          "PUT",
          `/users/ned/rules/new${index}`,
          ruleText({ threshold: index + 1 })
        )
      )
    )
    await Promise.all(others.map(({ stop }) => stop()))
    const stored = answers.flatMap(({ status }, index) => (status === 201 ? `new${index}` : []))
    expect(stored).toHaveLength(5)
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(45)
    const { rules } = await rulesOf("ned")
    const ids = rules.map(({ ruleId }) => ruleId)
    expect(ids.filter((id) => id.startsWith("r"))).toHaveLength(95)
    expect(ids.filter((id) => id.startsWith("new")).toSorted()).toEqual(stored.toSorted())
    expect(new Set(rules.map(({ number }) => number)).size).toBe(100)
    expect(new Set(rules.map(({ version }) => version)).size).toBe(100)
  })

  it("of 20 changes at once under one ETag over two edges, exactly one is made", async () => {
    const path = "/users/noa/rules/r"
    await put(path)
    const other = await startEdge(service.settings)
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => {
        const { app } = index % 2 === 0 ? service.edge : other
        return askOn(app, "PUT", path, ruleText({ threshold: index + 1 }), { "if-match": '"1"' })
      })
    )
    await other.stop()
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(19)
    expect(await valuesOf("noa")).toBe(2)
  })

  it("many rules at once over one edge are all stored, because an edge makes the changes of a user in turn", async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => put(`/users/nia/rules/r${index}`)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201))
    expect((await rulesOf("nia")).rules).toHaveLength(40)
  })

  it("a change that loses each compare-and-set gets 503 after five attempts, and stores nothing", async () => {
    let attempts = 0
    const app = await appOver(() => ({
      append: () =>
        Effect.suspend(() => {
          attempts += 1
          return Effect.fail(new CommitConflict({ reason: "another came first" }))
        })
    }))
    expect(await askOn(app, "PUT", "/users/oda/rules/r", ruleText())).toEqual(
      refusal(
        "unavailable",
        "Other changes of the same rules came first 5 times. Nothing was changed; try again.",
        "/users/oda/rules/r",
        { "retry-after": "1" }
      )
    )
    expect(attempts).toBe(5)
    expect(await valuesOf("oda")).toBe(0)
  })
})

describe("a change whose outcome is unknown", () => {
  const detail =
    "It is not known whether the rules were changed. Send the same request again: a change that is stored already changes nothing."
  const unknown = new OutcomeUnknown({ operation: "change the rules", reason: "no answer in time" })

  it.each([true, false])(
    "a change of unknown outcome gets 504, and its repetition gets a sure answer (stored before: %s)",
    async (wasStored) => {
      const userId = `pat-${wasStored}`
      const path = `/users/${userId}/rules/r`
      const app = await appOver((real) => ({
        append: (...value) => (wasStored ? Effect.andThen(Effect.orDie(real.append(...value)), unknown) : unknown)
      }))
      expect(await askOn(app, "PUT", path, ruleText())).toEqual(refusal("outcome-unknown", detail, path))
      expect(await put(path)).toMatchObject({ status: wasStored ? 200 : 201, headers: { etag: '"1"' } })
      expect(await valuesOf(userId)).toBe(wasStored ? 2 : 1)
    }
  )

  it("a removal of unknown outcome gets 504, and the repeated removal gets 404", async () => {
    const path = "/users/quin/rules/r"
    await put(path)
    const app = await appOver((real) => ({
      append: (...value) => Effect.andThen(Effect.orDie(real.append(...value)), unknown)
    }))
    expect(await askOn(app, "DELETE", path)).toEqual(refusal("outcome-unknown", detail, path))
    expect(await ask("DELETE", path)).toMatchObject({ status: 404 })
  })

  it("a read of rules without an answer of the broker gets 503, because a read changes nothing", async () => {
    const app = await appOver(() => ({ newest: () => unknown }))
    expect(await askOn(app, "GET", "/users/ray/rules")).toEqual(
      refusal(
        "unavailable",
        "Could not read the rules: the broker is not available (no answer in time). Nothing was changed; try again.",
        "/users/ray/rules",
        { "retry-after": "1" }
      )
    )
  })
})
