import { Context, Effect } from "effect"
import { Webhook as Verifier } from "standardwebhooks"
import { afterEach, describe, expect, it } from "vitest"
import { until } from "../../src/harness/system/TestBroker.ts"
import { CommitConflict } from "../../src/nats/client/ConditionalAppend.ts"
import { WebhookStore } from "../../src/nats/WebhookStore.ts"
import { OutcomeUnknown } from "../../src/protocol/BrokerError.ts"
import { endpointsMax } from "../../src/webhook/Deliverer.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { appOn, refusal, type Seen, seen, useService } from "../support/TestService.ts"
import { AlertEndpoint, answer } from "../webhook/AlertEndpoint.ts"
import { DelivererRun } from "../webhook/DelivererRun.ts"

const json = { "content-type": "application/json" }

const ownerOf = (path: string): string => path.split("/")[2] ?? ""

type Store = (typeof WebhookStore)["Service"]

describe("the routes of a webhook, with the rules of an installation", () => {
  const service = useService({ withoutWorker: true })

  const askOn = (app: typeof service.edge.app, method: string, path: string, body?: object | string) =>
    seen(
      app.request(path, {
        method,
        headers: json,
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
      })
    )
  const ask = (method: string, path: string, body?: object | string): Promise<Seen> =>
    askOn(service.edge.app, method, path, body)
  const put = (userId: string, body: object | string) => ask("PUT", `/users/${userId}/webhook`, body)
  const get = (userId: string) => ask("GET", `/users/${userId}/webhook`)
  const read = async (asked: Promise<Seen>) => JSON.parse((await asked).body)
  const url = "https://example.org/alerts"

  /** An edge's application over a store that `replace` returns. */
  const appOver = (replace: (real: Store) => Partial<Store>) => {
    const real = Context.get(service.edge.services, WebhookStore)
    return appOn(Context.add(service.edge.services, WebhookStore, { ...real, ...replace(real) }))
  }

  it("PUT makes a webhook, and only the answer to this PUT shows its secret", async () => {
    const made = await put("ann", { url })
    const body = JSON.parse(made.body)
    expect([made.status, body]).toEqual([
      201,
      {
        userId: "ann",
        url,
        enabled: true,
        state: "delivering",
        deliveredThrough: expect.any(Number),
        failures: 0,
        secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/)
      }
    ])
    const { secret, ...rest } = body
    const again = await put("ann", { url, enabled: false })
    expect([again.status, JSON.parse(again.body)]).toEqual([200, { ...rest, enabled: false, state: "off" }])
    expect((await get("ann")).body).toBe(again.body)
    expect(again.body).not.toContain(secret)
  })

  it("GET, DELETE, a rotation, a test and a dead letter of a user without a webhook get 404", async () => {
    const none = (instance: string) =>
      refusal("not-found", "User nobody has no webhook. PUT /users/{id}/webhook makes one.", instance)
    const path = "/users/nobody/webhook"
    expect(await ask("GET", path)).toEqual(none(path))
    expect(await ask("DELETE", path)).toEqual(none(path))
    expect(await ask("POST", `${path}/secret`)).toEqual(none(`${path}/secret`))
    expect(await ask("POST", `${path}/test`)).toEqual(none(`${path}/test`))
    expect((await ask("POST", `${path}/dead/7/again`)).status).toBe(404)
    expect((await ask("GET", `${path}/dead`)).body).toBe('{"userId":"nobody","dead":[]}')
  })

  it.each([
    ["http://example.org/", "url begins with http:, and must begin with https:. Nothing was stored."],
    ["https://ann:pw@example.org/", "url has a user name or a password, which is not allowed. Nothing was stored."],
    ["https://example.org:8080/", "url has the port 8080, and must have the port 443 or 8443. Nothing was stored."],
    ["alerts", "url is not a URL like https://example.org/alerts. Nothing was stored."],
    [
      "https://169.254.169.254/latest",
      "url has the host 169.254.169.254, which is not an address of the public internet. Nothing was stored."
    ],
    ["http://169.254.169.254/", "url begins with http:, and must begin with https:. Nothing was stored."],
    [
      "https://[::ffff:10.0.0.1]/",
      "url has the host [::ffff:a00:1], which is not an address of the public internet. Nothing was stored."
    ],
    [
      "https://localhost/",
      "url has the host localhost, which is not an address of the public internet. Nothing was stored."
    ]
  ])("PUT refuses the URL %s with 422 and its reason, and stores nothing", async (refused, detail) => {
    expect(await put("bad-url", { url: refused })).toEqual(
      refusal("refused-by-rules", detail, "/users/bad-url/webhook")
    )
    expect((await get("bad-url")).status).toBe(404)
  })

  it("a PUT with a refused URL does not change the webhook of the user", async () => {
    await put("bob", { url })
    expect((await put("bob", { url: "https://10.0.0.1/" })).status).toBe(422)
    expect(await read(get("bob"))).toMatchObject({ url, state: "delivering" })
  })

  it("PUT refuses a body of another form, and stores nothing", async () => {
    const bodies = ["", "[]", "null", '{"url":7}', '{"enabled":"yes"}', '{"resume":"later"}', `{"url":"${url}","x":1}`]
    for (const body of [...bodies, `{"url":"${url}","url":"${url}"}`, "\u0000"]) {
      expect((await put("cat", body)).status, body).toBe(400)
    }
    expect(await put("cat", {})).toMatchObject({ status: 422, body: expect.stringContaining("url is missing") })
    expect((await put("cat", { url: `https://example.org/${"x".repeat(9_000)}` })).status).toBe(413)
    expect((await get("cat")).status).toBe(404)
  })

  it("DELETE removes a webhook, a second DELETE gets 404, and a new webhook has another secret", async () => {
    const { secret } = await read(put("dan", { url }))
    expect((await ask("DELETE", "/users/dan/webhook")).status).toBe(204)
    expect((await ask("DELETE", "/users/dan/webhook")).status).toBe(404)
    expect((await get("dan")).status).toBe(404)
    const made = await put("dan", { url })
    expect(made.status).toBe(201)
    expect(JSON.parse(made.body).secret).not.toBe(secret)
  })

  it("a rotation gives a new secret, and says until when deliveries are also signed with the old secret", async () => {
    const { secret } = await read(put("eve", { url }))
    const before = Date.now()
    const rolled = await read(ask("POST", "/users/eve/webhook/secret"))
    expect(rolled.secret).toMatch(/^whsec_/)
    expect(rolled.secret).not.toBe(secret)
    const hours = (Date.parse(rolled.oldSecretUntil) - before) / 3_600_000
    expect(hours).toBeGreaterThanOrEqual(24)
    expect(hours).toBeLessThan(24.1)
    expect(await read(get("eve"))).toMatchObject({ oldSecretUntil: rolled.oldSecretUntil })
  })

  it("a resume skips the alerts that are not delivered, and switches the webhook on", async () => {
    await put("fay", { url, enabled: false })
    const { deliveredThrough } = await read(get("fay"))
    await put("gus", { url })
    await put("fay", { enabled: true })
    expect(await read(get("fay"))).toMatchObject({ deliveredThrough, state: "delivering" })
    await put("fay", { enabled: false })
    const resumed = await read(put("fay", { resume: "now" }))
    expect(resumed).toMatchObject({ url, enabled: true, state: "delivering" })
    expect(resumed.deliveredThrough).toBeGreaterThan(deliveredThrough)
  })

  it("a test without a judge gets 503, and nothing is sent", async () => {
    await put("hal", { url })
    const tested = await ask("POST", "/users/hal/webhook/test")
    expect(tested.status).toBe(503)
    expect(JSON.parse(tested.body).detail).toContain("no process answers such requests now")
  })

  it("a new webhook is refused if all users together have as many webhooks as fit", async () => {
    const app = appOver(() => ({ count: Effect.succeed(endpointsMax) }))
    const refused = await askOn(app, "PUT", "/users/ira/webhook", { url })
    expect([refused.status, JSON.parse(refused.body).detail]).toEqual([
      409,
      `All users together have at most ${endpointsMax} webhooks.`
    ])
    await put("ira", { url })
    expect((await askOn(app, "PUT", "/users/ira/webhook", { url })).status).toBe(200)
  })

  it("a change of a webhook that another change overtakes is tried again, and gets 503 after some attempts", async () => {
    let conflicts = 0
    const overtaken = (times: number) =>
      appOver((real) => ({
        write: (...given) =>
          (conflicts += 1) <= times ? Effect.fail(new CommitConflict({ reason: "overtaken" })) : real.write(...given)
      }))
    expect((await askOn(overtaken(3), "PUT", "/users/joe/webhook", { url })).status).toBe(201)
    conflicts = 0
    expect((await askOn(overtaken(99), "PUT", "/users/joe/webhook", { url })).status).toBe(503)
  })

  it("a change of a webhook gets 504 with an unknown outcome if the broker does not answer", async () => {
    const app = appOver(() => ({
      write: () => Effect.fail(new OutcomeUnknown({ operation: "store", reason: "silence" }))
    }))
    expect(await askOn(app, "PUT", "/users/kim/webhook", { url })).toMatchObject({
      status: 504,
      body: expect.stringContaining("It is not known whether the webhook was changed.")
    })
  })
})

describe("the routes of a webhook, with a judge that delivers", () => {
  const service = useService({ withoutWorker: true, environment: { TEST_WEBHOOK_LOOPBACK: "yes" } })
  const endpoint = startedBeforeEach(() => AlertEndpoint.start())
  const runs: Array<DelivererRun> = []

  afterEach(async () => {
    await Promise.all(runs.splice(0).map((run) => run.stop()))
  })

  const ask = (method: string, path: string, body?: object): Promise<Seen> =>
    seen(
      service.edge.app.request(path, {
        method,
        headers: json,
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
    )
  const read = async (asked: Promise<Seen>) => JSON.parse((await asked).body)

  /** Sets the webhook of a user over HTTP, and starts a deliverer. Returns the deliverer and the secret. */
  const startFor = async (path: string) => {
    const { secret } = await read(ask("PUT", path, { url: endpoint.url }))
    const run = new DelivererRun(service.broker.url, ownerOf(path))
    runs.push(run)
    await run.start()
    return { run, secret: String(secret) }
  }

  it("alerts are delivered with the secret of the answer, and after a rotation with both secrets", async () => {
    const path = "/users/ann/webhook"
    const { run, secret } = await startFor(path)
    await run.alert()
    await until("the first came", () => endpoint.received.length === 1)
    const rolled = await read(ask("POST", `${path}/secret`))
    await run.alert()
    await until("the second came", () => endpoint.received.length === 2)
    const verify = (key: string, index: number) => {
      const { body = "", headers = {} } = endpoint.received[index] ?? {}
      return new Verifier(key).verify(body, headers as Record<string, string>)
    }
    expect(verify(secret, 0)).toMatchObject({ type: "purchase.alerts" })
    expect(verify(secret, 1)).toMatchObject({ type: "purchase.alerts" })
    expect(verify(rolled.secret, 1)).toMatchObject({ type: "purchase.alerts" })
    expect(() => verify(rolled.secret, 0)).toThrow("No matching signature found")
  })

  it("a paused webhook shows the reason of its pause, and after a PUT the same alert is delivered", async () => {
    const path = "/users/bob/webhook"
    endpoint.answerWith(answer(410))
    const { run } = await startFor(path)
    const id = await run.alert()
    await run.untilState("a pause", (state) => state?.paused !== undefined)
    expect(await read(ask("GET", path))).toMatchObject({
      state: "paused",
      failures: 1,
      paused: { reason: "The endpoint answered with the status 410." },
      lastAttempt: { status: 410, reason: "The endpoint answered with the status 410." }
    })
    endpoint.answerWith(answer(204))
    expect(await read(ask("PUT", path, { enabled: true }))).toMatchObject({ state: "delivering", failures: 0 })
    await until("it came again", () => endpoint.ids.length === 2)
    expect(endpoint.ids).toEqual([id, id])
  })

  it("a dead letter is listed with its status and answer, and leaves the list when it is delivered again", async () => {
    const path = "/users/cat/webhook"
    endpoint.answerWith(answer(422, {}, "no such purchase"))
    const { run } = await startFor(path)
    const id = await run.alert()
    await run.untilState("it is behind", (state) => state?.through === Number(id))
    expect(await read(ask("GET", `${path}/dead`))).toEqual({
      userId: "cat",
      dead: [
        {
          id: Number(id),
          at: expect.any(String),
          status: 422,
          reason: "The endpoint answered with the status 422.",
          answer: "no such purchase"
        }
      ]
    })
    endpoint.answerWith(answer(200))
    expect(await read(ask("POST", `${path}/dead/${id}/again`))).toEqual({ delivered: true, status: 200, answer: "" })
    expect(await read(ask("GET", `${path}/dead`))).toEqual({ userId: "cat", dead: [] })
    expect((await ask("POST", `${path}/dead/${id}/again`)).status).toBe(404)
  })

  it("a test is delivered at once, and its answer says how the delivery ended", async () => {
    const path = "/users/dan/webhook"
    await startFor(path)
    expect(await read(ask("POST", `${path}/test`))).toEqual({ delivered: true, status: 204, answer: "" })
    endpoint.answerWith(answer(500, {}, "broken"))
    expect(await read(ask("POST", `${path}/test`))).toEqual({
      delivered: false,
      status: 500,
      reason: "The endpoint answered with the status 500.",
      answer: "broken"
    })
    expect(await read(ask("GET", path))).toMatchObject({ state: "delivering", failures: 0 })
  })
})
