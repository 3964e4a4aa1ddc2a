import { Context, Duration, Effect, Layer } from "effect"
import type { Hono } from "hono"
import { beforeAll, describe, expect, it } from "vitest"
import { BackTest, backTestsMax } from "../../src/alerts/BackTest.ts"
import { BackTestBounds } from "../../src/alerts/BackTestRun.ts"
import { exactJson } from "../../src/harness/system/Shopper.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { startJudge } from "../../src/harness/system/TestLedger.ts"
import { revisionsOf } from "../../src/nats/CommitStream.ts"
import { decodeRevision } from "../../src/protocol/RevisionCodec.ts"
import { decodeToken } from "../../src/protocol/Subject.ts"
import { encodeAlertId } from "../../src/rules/Alert.ts"
import { emptyRuleSet, encodeRuleSet, putRule, RulesFull } from "../../src/rules/RuleSet.ts"
import { windowBounds } from "../../src/rules/WindowWalk.ts"
import { decodeRule, RuleProblem } from "../../src/rules/Rule.ts"
import { NaiveJudge } from "../../src/harness/alerts/NaiveJudge.ts"
import { appOn, purchaseText, refusal, seen, useService } from "../support/TestService.ts"

const service = useService()

const json = { "content-type": "application/json" }
const spending = { measure: "spent", within: "P7D", is: "greater-or-equal", threshold: 60 }
const cheapOfAll = { who: "all", product: "Lamp", measure: "value", is: "less-or-equal", threshold: 12.5 }

/** Sends a back-test. Returns its alerts, and its last line. */
const backTest = async (path: string, rule?: object, app: Hono = service.edge.app) => {
  const body = rule === undefined ? {} : { body: JSON.stringify(rule), headers: json }
  const answer = await seen(app.request(path, { method: "POST", ...body }))
  expect({ ...answer, body: answer.status === 200 ? "" : answer.body }).toEqual({
    status: 200,
    headers: { "content-type": "application/x-ndjson", "cache-control": "no-store" },
    body: ""
  })
  const lines = answer.body.trimEnd().split("\n").map(exactJson)
  expect(lines[0]).toEqual({ inWords: expect.stringMatching(/^Alert when .*\.$/) })
  return { alerts: lines.slice(1, -1), end: lines.at(-1) }
}

const idsOf = (alerts: ReadonlyArray<{ readonly id: string }>) => alerts.map(({ id }) => id)

/** All commits of the journal, read with the NATS client alone. */
const commits = async () => {
  const manager = await service.client.jetstreamManager()
  const { state } = await manager.streams.info("KV_journal")
  const sequences = Array.from({ length: state.last_seq }, (_, index) => index + 1)
  const all = await Promise.all(sequences.map((seq) => manager.streams.getMessage("KV_journal", { seq })))
  return all
    .filter(({ subject }) => subject.startsWith("$KV.journal.commit."))
    .map((message) => ({ sequence: message.seq, storedAt: message.time.getTime(), text: message.string() }))
}

/** The ids that a naive judge gives the alerts of a rule of a user with this number, of all commits of the journal. */
const naiveIds = async (owner: string, rule: object, number: number): Promise<ReadonlyArray<string>> => {
  const decoded = decodeRule(JSON.stringify(rule))
  if (decoded instanceof RuleProblem) throw new Error(decoded.message)
  const set = putRule(emptyRuleSet, "r", decoded, 0)
  if (set instanceof RulesFull) throw new Error(set.message)
  const naive = new NaiveJudge()
  naive.changeRules(owner, number, encodeRuleSet(set))
  return (await commits()).flatMap(revisionsOf).flatMap(({ userToken, place, text }) => {
    const placed = { ...place, userId: decodeToken(userToken), revision: decodeRevision(text) }
    return naive.judge(placed).map(encodeAlertId)
  })
}

/** The application of the edge, with a back-test that has other bounds. */
const appWithBounds = async (revisionsMax: number): Promise<Hono> => {
  const layer = Layer.fresh(BackTest.layer).pipe(
    Layer.provide(Layer.succeed(BackTestBounds, { revisionsMax, timeMax: Duration.seconds(10), windows: windowBounds }))
  )
  // The context of an edge has the services of the broker as well.
  const services = service.edge.services as Context.Context<Layer.Services<typeof layer>>
  const built = await Effect.runPromise(Effect.scoped(Layer.build(layer)).pipe(Effect.provide(services)))
  return appOn(Context.merge(service.edge.services, built))
}

describe("a back-test over HTTP", () => {
  beforeAll(async () => {
    for (let purchase = 0; purchase < 90; purchase += 1) {
      const userId = ["ann", "bob", "cy"][purchase % 3]
      const members = { userId, purchaseId: `p${purchase}`, value: 10 + (purchase % 5), quantity: 1 + (purchase % 2) }
      const wait: Record<string, string> = purchase % 10 > 7 ? { prefer: "wait=5" } : {}
      await service.post(purchaseText({ ...members, productName: purchase % 4 === 0 ? "Desk" : "Lamp" }), wait)
    }
    for (const user of ["ann", "bob", "cy"]) {
      await until(`the purchases of ${user} are applied`, async () =>
        (await service.get(`/users/${user}/total`)).body.includes('"purchaseCount":30')
      )
    }
  })

  it("a back-test of a rule that is not stored gives alerts whose ids end with 0 as the number of the rule", async () => {
    const { alerts, end } = await backTest("/users/ann/backtest", spending)
    expect(idsOf(alerts)).toEqual((await naiveIds("ann", spending, 1)).map((id) => id.replace(/\.1$/, ".0")))
    expect(end).toEqual({ matches: alerts.length, purchases: 30 })
    expect(alerts.length).toBeGreaterThan(20)
    expect(alerts[0]).toEqual({
      id: expect.stringMatching(/^[0-9]+\.[0-9]+\.[0-9]+\.0$/),
      purchase: {
        purchaseId: expect.stringMatching(/^p[0-9]+$/),
        userId: "ann",
        productName: expect.any(String),
        productType: "Office",
        value: expect.anything(),
        quantity: expect.any(Number),
        total: expect.anything(),
        storedAt: expect.stringMatching(/^20.*Z$/),
        ledgerSequence: expect.any(Number)
      },
      measured: { before: expect.any(Number), after: expect.any(Number) }
    })
  })

  it("a back-test of a stored rule gives the ids of the stored alerts, even while the rule is switched off", async () => {
    const body = JSON.stringify({ ...cheapOfAll, enabled: false })
    const put = await service.edge.app.request("/users/ann/rules/cheap", { method: "PUT", body, headers: json })
    const { number } = (await put.json()) as { readonly number: number }
    const { alerts, end } = await backTest("/users/ann/rules/cheap/backtest")
    expect(idsOf(alerts)).toEqual(await naiveIds("ann", cheapOfAll, number))
    expect(end).toEqual({ matches: alerts.length, purchases: 90 })
  })

  it("a back-test finds the alerts that a judge has given for the same purchases", async () => {
    const rules = { large: { ...spending, threshold: 100 }, cheap: cheapOfAll }
    for (const [ruleId, rule] of Object.entries(rules)) {
      const body = JSON.stringify(rule)
      await service.edge.app.request(`/users/dan/rules/${ruleId}`, { method: "PUT", body, headers: json })
    }
    const judge = await startJudge(service.settings)
    const from = new Date().toISOString()
    let through = 0
    for (let purchase = 0; purchase < 20; purchase += 1) {
      const userId = purchase % 2 === 0 ? "dan" : "eli"
      await service.post(purchaseText({ userId, purchaseId: `d${purchase}` }), { prefer: "wait=5" })
      through = exactJson((await service.get(`/users/${userId}/purchases/d${purchase}`)).body).ledgerSequence
    }
    const { alerts } = exactJson((await service.get(`/users/dan/alerts?limit=100&through=${through}`)).body)
    for (const ruleId of Object.keys(rules)) {
      const given = alerts.filter((alert: { readonly ruleId: string }) => alert.ruleId === ruleId).toReversed()
      const found = await backTest(`/users/dan/rules/${ruleId}/backtest?from=${from}`)
      expect(idsOf(found.alerts)).toEqual(idsOf(given))
      expect(given.length).toBeGreaterThan(5)
    }
    await judge.stop()
  })

  it("requests that end early name the next request, and together give the alerts that one request gives", async () => {
    const app = await appWithBounds(7)
    for (const rule of [spending, cheapOfAll]) {
      const whole = await backTest("/users/bob/backtest", rule)
      const parts = [await backTest("/users/bob/backtest?from=2020-01-01T00:00:00Z", rule, app)]
      for (let { next } = parts[0]?.end ?? {}; next !== undefined; next = parts.at(-1)?.end.next) {
        parts.push(await backTest(next, rule, app))
      }
      expect(parts.length).toBeGreaterThan(2)
      expect(parts.flatMap(({ alerts }) => alerts)).toEqual(whole.alerts)
      const sum = (what: "matches" | "purchases") => parts.reduce((all, { end }) => all + end[what], 0)
      expect({ matches: sum("matches"), purchases: sum("purchases") }).toEqual(whole.end)
    }
  })

  it("from and to are times at which purchases were applied, and earlier purchases count in windows", async () => {
    const all = await commits()
    const middle = all[Math.floor(all.length / 2)]?.storedAt ?? 0
    const moment = new Date(middle).toISOString()
    const whole = await backTest("/users/bob/backtest", spending)
    const [early, late] = [
      await backTest(`/users/bob/backtest?to=${moment}`, spending),
      await backTest(`/users/bob/backtest?from=${moment}`, spending)
    ]
    expect([...early.alerts, ...late.alerts]).toEqual(whole.alerts)
    expect(early.end.purchases + late.end.purchases).toBe(30)
    const lateOfAll = await backTest(`/users/bob/backtest?from=${moment}`, cheapOfAll)
    const purchases = all
      .filter(({ storedAt }) => storedAt >= middle)
      .flatMap(revisionsOf)
      .reduce((sum, { text }) => sum + decodeRevision(text).purchases.length, 0)
    expect(lateOfAll.end.purchases).toBe(purchases)
    expect(Math.min(early.end.purchases, late.end.purchases)).toBeGreaterThan(0)
    const future = await backTest("/users/bob/backtest?from=2090-01-01T00:00:00Z&to=2091-01-01T00:00:00Z", spending)
    expect(future).toEqual({ alerts: [], end: { matches: 0, purchases: 0 } })
  })

  it("a wrong rule, an unknown rule, a wrong range and a foreign cursor are refused", async () => {
    const post = (path: string, rule: object) =>
      seen(service.edge.app.request(path, { method: "POST", body: JSON.stringify(rule), headers: json }))
    const path = "/users/ann/backtest"
    expect((await post(path, { ...spending, threshold: 1.005 })).status).toBe(422)
    expect((await post(path, { ...spending, other: 1 })).status).toBe(400)
    expect((await seen(service.edge.app.request("/users/ann/rules/unknown/backtest", { method: "POST" }))).status).toBe(
      404
    )
    const range = "from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z"
    expect(await post(`${path}?${range}`, spending)).toEqual(
      refusal(
        "malformed-request",
        "from must be before to, and is 2026-01-02T00:00:00.000Z; to is 2026-01-02T00:00:00.000Z.",
        path
      )
    )
    const { end } = await backTest(path, spending, await appWithBounds(1))
    const foreign = end.next.replace("/ann/", "/bob/")
    expect(await post(foreign, spending)).toEqual(
      refusal(
        "malformed-request",
        "cursor does not belong to a back-test of this user. Begin without a cursor.",
        "/users/bob/backtest"
      )
    )
  })

  it("a rule may have the id backtest", async () => {
    const body = JSON.stringify(spending)
    const path = "/users/cy/rules/backtest"
    const put = await service.edge.app.request(path, { method: "PUT", body, headers: json })
    expect(put.status).toBe(201)
    expect(exactJson((await service.get(path)).body).ruleId).toBe("backtest")
    const stored = await backTest(`${path}/backtest`)
    const given = await backTest("/users/cy/backtest", spending)
    expect(stored.end).toEqual(given.end)
  })

  it("a back-test beyond the bound of an edge gets 429 with Retry-After, until another back-test ends", async () => {
    const open = await Effect.runPromise(
      Effect.map(Effect.provide(Effect.service(BackTest), service.edge.services), ({ open }) => open)
    )
    const rule = decodeRule(JSON.stringify(spending))
    if (rule instanceof RuleProblem) throw new Error(rule.message)
    const request = {
      owner: "ann",
      rule: { ruleId: "", number: 0, version: 0, rule },
      from: 0,
      to: undefined,
      after: undefined
    }
    const running = await Promise.all(Array.from({ length: backTestsMax }, () => Effect.runPromise(open(request))))
    const path = "/users/ann/backtest"
    const refused = await seen(
      service.edge.app.request(path, { method: "POST", body: JSON.stringify(spending), headers: json })
    )
    expect(refused).toEqual(
      refusal(
        "too-many-requests",
        `This edge runs ${backTestsMax} back-tests already. Nothing was changed; try again.`,
        path,
        { "retry-after": "10" }
      )
    )
    running[0]?.close()
    running[0]?.close()
    expect((await backTest(path, spending)).end.purchases).toBe(30)
    expect((await backTest(path, spending)).end.purchases).toBe(30)
    running[1]?.close()
  })

  it("a back-test whose caller has left ends, and makes room for another back-test", async () => {
    const path = "/users/ann/backtest"
    for (let attempt = 0; attempt < 2 * backTestsMax; attempt += 1) {
      const answer = await service.edge.app.request(path, {
        method: "POST",
        body: JSON.stringify(spending),
        headers: json
      })
      expect(answer.status).toBe(200)
      await answer.body?.cancel()
    }
  })
})
