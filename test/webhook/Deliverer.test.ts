import { Effect } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { freePort, TestBroker, until } from "../../src/harness/system/TestBroker.ts"
import { SendTransport } from "../../src/nats/SendTransport.ts"
import type { SendRequest } from "../../src/protocol/WebhookSend.ts"
import { startedBeforeAll, startedBeforeEach } from "../support/StartedBefore.ts"
import { AlertEndpoint, answer, silence } from "./AlertEndpoint.ts"
import { DelivererRun } from "./DelivererRun.ts"

let users = 0
const newUser = (): string => `user-${(users += 1)}`

describe("a deliverer", () => {
  const broker = startedBeforeAll(() => TestBroker.start())
  const endpoint = startedBeforeEach(() => AlertEndpoint.start())
  let run: DelivererRun

  beforeEach(() => {
    run = new DelivererRun(broker.url, newUser())
  })
  afterEach(() => run.stop())

  const received = (count: number) =>
    until(`${count} deliveries, of ${endpoint.received.length}`, () => endpoint.received.length >= count, 10_000)

  it("alerts are delivered in their order, with a signature that the package standardwebhooks accepts", async () => {
    await run.set(endpoint.url)
    await run.start()
    const ids = [await run.alert('[{"id":"7.1.0.3"}]'), await run.alert(), await run.alert()]
    await received(3)
    expect(endpoint.ids).toEqual(ids)
    expect(run.verified(endpoint.received[0])).toMatchObject({
      type: "purchase.alerts",
      data: { owner: run.userId, alerts: [{ id: "7.1.0.3" }] }
    })
    expect(endpoint.received[0]?.headers["content-type"]).toBe("application/json")
  })

  it("alerts older than the webhook are not delivered, and alerts from times without a deliverer are", async () => {
    await run.alert()
    await run.set(endpoint.url)
    const ids = [await run.alert(), await run.alert()]
    await run.start()
    await received(2)
    expect(endpoint.ids).toEqual(ids)
  })

  it("after the status 500 the same alert is delivered again under its id, before later alerts", async () => {
    endpoint.answerWith(answer(500))
    await run.set(endpoint.url)
    await run.start()
    const ids = [await run.alert(), await run.alert()]
    await run.untilState("one failure", (state) => state?.failures === 1)
    await run.pass("3900 millis")
    expect(endpoint.ids).toEqual([ids[0]])
    endpoint.answerWith(answer(204))
    await run.pass("2200 millis")
    await received(3)
    expect(endpoint.ids).toEqual([ids[0], ids[0], ids[1]])
    expect(endpoint.received[1]?.body).toBe(endpoint.received[0]?.body)
    for (const delivery of endpoint.received) run.verified(delivery)
  })

  it("a delivery to an endpoint that does not answer within 15 seconds is attempted again later", async () => {
    endpoint.answerWith(silence)
    await run.set(endpoint.url)
    await run.start()
    const id = await run.alert()
    await received(1)
    await run.pass("15 seconds")
    const state = await run.untilState("one failure", (found) => found?.failures === 1)
    expect(state.last?.reason).toBe("The endpoint did not answer within 15 seconds.")
    endpoint.answerWith(answer(200))
    await run.pass("6 seconds")
    await received(2)
    expect(endpoint.ids).toEqual([id, id])
  })

  it("after the status 429 the deliverer waits as long as Retry-After says", async () => {
    endpoint.answerWith(answer(429, { "retry-after": "600" }))
    await run.set(endpoint.url)
    await run.start()
    const id = await run.alert()
    await run.untilState("one failure", (state) => state?.failures === 1)
    await run.pass("599 seconds")
    expect(endpoint.ids).toEqual([id])
    endpoint.answerWith(answer(200))
    await run.pass("1 second")
    await received(2)
    expect(endpoint.ids).toEqual([id, id])
  })

  it.each([302, 400])(
    "after the status %i the alert is a dead letter with the answer, and the next alert is delivered",
    async (status) => {
      endpoint.answerWith(answer(status, { location: "http://127.0.0.1:1/" }, "x".repeat(5_000)))
      await run.set(endpoint.url)
      await run.start()
      const first = await run.alert()
      await run.untilState("the first is behind", (state) => state?.through === Number(first))
      endpoint.answerWith(answer(204))
      const second = await run.alert()
      await received(2)
      expect(endpoint.ids).toEqual([first, second])
      expect(await run.store((store) => store.deadLetters(run.userId))).toEqual([
        {
          id: Number(first),
          at: expect.any(Number),
          status,
          reason: `The endpoint answered with the status ${status}.`,
          answer: "x".repeat(1_024)
        }
      ])
    }
  )

  it("the status 410 pauses the webhook, and after a resume by the owner the same alert is delivered", async () => {
    endpoint.answerWith(answer(410))
    await run.set(endpoint.url)
    await run.start()
    const ids = [await run.alert(), await run.alert()]
    const state = await run.untilState("a pause", (found) => found?.paused !== undefined)
    expect(state.paused?.reason).toBe("The endpoint answered with the status 410.")
    await run.pass("1 hour")
    expect(endpoint.ids).toEqual([ids[0]])
    endpoint.answerWith(answer(204))
    await run.set(endpoint.url)
    await received(3)
    expect(endpoint.ids).toEqual([ids[0], ids[0], ids[1]])
  })

  it("three days of failures pause the webhook, and after a skip only later alerts are delivered", async () => {
    endpoint.answerWith(answer(503))
    await run.set(endpoint.url)
    await run.start()
    await run.alert()
    const skipped = await run.alert()
    for (let failures = 1; ; failures += 1) {
      const state = await run.untilState(`${failures} failures`, (found) => found?.failures === failures)
      if (state.paused !== undefined) break
      await run.passUntil(state.retryAt ?? 0)
    }
    expect((await run.state())?.paused?.reason).toBe(
      "The endpoint answered with the status 503. All attempts of three days failed."
    )
    const attempts = endpoint.received.length
    endpoint.answerWith(answer(204))
    await run.set(endpoint.url, { after: Number(skipped) })
    const next = await run.alert()
    await received(attempts + 1)
    expect(endpoint.ids.slice(attempts)).toEqual([next])
  })

  it("a webhook that is switched off gets no deliveries, and gets the missed alerts when it is switched on", async () => {
    await run.set(endpoint.url, { enabled: false })
    await run.start()
    const ids = [await run.alert(), await run.alert()]
    await run.pass("1 hour")
    expect(endpoint.connections).toBe(0)
    await run.set(endpoint.url)
    await received(2)
    expect(endpoint.ids).toEqual(ids)
  })

  it("a removed webhook gets no more deliveries, and a new webhook gets only alerts that come later", async () => {
    await run.set(endpoint.url)
    await run.start()
    await run.alert()
    await received(1)
    const { sequence } = await run.store((store) => store.find(run.userId))
    await run.store((store) => store.remove(run.userId, sequence))
    await run.alert()
    await run.set(endpoint.url)
    const id = await run.alert()
    await received(2)
    expect(endpoint.ids.slice(1)).toEqual([id])
  })

  it("an alert that is found before the webhook is removed, and is not sent yet, is never sent", async () => {
    const found = Promise.withResolvers<void>()
    const removed = Promise.withResolvers<void>()
    const held = Effect.promise(() => {
      found.resolve()
      return removed.promise
    })
    const late = new DelivererRun(broker.url, newUser(), {
      store: (real) => ({
        ...real,
        nextAlerts: (owner, after) =>
          Effect.tap(real.nextAlerts(owner, after), (alert) => (alert === undefined ? Effect.void : held))
      })
    })
    await late.set(endpoint.url)
    await late.start()
    await late.alert()
    await found.promise
    const { sequence } = await late.store((store) => store.find(late.userId))
    await late.store((store) => store.remove(late.userId, sequence))
    removed.resolve()
    await late.set(endpoint.url)
    const id = await late.alert()
    await received(1)
    expect(endpoint.ids).toEqual([id])
    await late.stop()
  })

  it("an endpoint that fails does not delay the deliveries to another user's endpoint", async () => {
    endpoint.answerWith(silence)
    await run.set(endpoint.url)
    const other = new DelivererRun(broker.url, newUser())
    const healthy = await AlertEndpoint.start()
    await other.set(healthy.url)
    await Promise.all([run.start(), other.start()])
    await run.alert()
    await received(1)
    const id = await other.alert()
    await until("the healthy one has it", () => healthy.ids.length === 1)
    expect(healthy.ids).toEqual([id])
    await other.stop()
    await healthy.stop()
  })

  it("a message of alerts that cannot be read is a dead letter, and the next alert is delivered", async () => {
    await run.set(endpoint.url)
    await run.start()
    const first = await run.alert("written by hand")
    const second = await run.alert()
    await received(1)
    expect(endpoint.ids).toEqual([second])
    expect(await run.store((store) => store.deadLetters(run.userId))).toMatchObject([
      { id: Number(first), reason: "The alerts could not be read, because another program wrote them." }
    ])
  })

  it("a test that the owner asks for is one signed delivery, even while the webhook is paused", async () => {
    endpoint.answerWith(answer(410))
    await run.set(endpoint.url)
    await run.start()
    await run.alert()
    await run.untilState("a pause", (state) => state?.paused !== undefined)
    endpoint.answerWith(answer(500, {}, "not today"))
    const ask = (request: SendRequest) =>
      run.run(Effect.flatMap(SendTransport, (transport) => transport.ask(run.userId, request)))
    expect(await ask({ kind: "test", id: "test-1" })).toEqual({
      kind: "attempted",
      isDelivered: false,
      status: 500,
      reason: "The endpoint answered with the status 500.",
      answer: "not today"
    })
    endpoint.answerWith(answer(204))
    expect(await ask({ kind: "test", id: "test-2" })).toMatchObject({ isDelivered: true, status: 204 })
    expect(endpoint.ids.slice(1)).toEqual(["test-1", "test-2"])
    expect(run.verified(endpoint.received[2])).toMatchObject({ type: "webhook.test", data: { owner: run.userId } })
  })

  it("a dead letter that is delivered again under its id leaves the list of dead letters", async () => {
    endpoint.answerWith(answer(422))
    await run.set(endpoint.url)
    await run.start()
    const id = await run.alert()
    await run.untilState("it is behind", (state) => state?.through === Number(id))
    const again = (dead: number) =>
      run.run(Effect.flatMap(SendTransport, (transport) => transport.ask(run.userId, { kind: "again", id: dead })))
    expect(await again(Number(id))).toMatchObject({ isDelivered: false, status: 422 })
    expect(await run.store((store) => store.deadLetters(run.userId))).toHaveLength(1)
    endpoint.answerWith(answer(204))
    expect(await again(Number(id))).toMatchObject({ isDelivered: true })
    expect(await run.store((store) => store.deadLetters(run.userId))).toEqual([])
    expect(endpoint.ids).toEqual([id, id, id])
    expect(await again(Number(id) + 1)).toEqual({ kind: "gone" })
  })

  it("two deliverers of one user both deliver every alert in order and under the same ids, to the last alert", async () => {
    const rival = new DelivererRun(broker.url, run.userId)
    await run.set(endpoint.url, { secret: rival.secret })
    await Promise.all([run.start(), rival.start()])
    const ids: Array<string> = []
    for (let count = 0; count < 20; count += 1) ids.push(await run.alert())
    await until("all came", () => new Set(endpoint.ids).size === ids.length)
    expect(Array.from(new Set(endpoint.ids))).toEqual(ids)
    await until("the cursor is at the end", async () => {
      await Promise.all([run.pass("100 millis"), rival.pass("100 millis")])
      return (await run.state())?.through === Number(ids.at(-1))
    })
    await rival.stop()
  })

  it("a deliverer that stops writes its state, and the next deliverer repeats only the unanswered delivery", async () => {
    endpoint.answerWith((response) => {
      if (endpoint.received.length < 3) response.writeHead(204).end()
    })
    await run.set(endpoint.url)
    await run.start()
    await run.alert()
    await run.alert()
    const unanswered = await run.alert()
    // A delivery begins when the answer to the delivery before it is known.
    await received(3)
    await run.stopDeliverer()
    endpoint.answerWith(answer(204))
    const later = await run.alert()
    await run.start()
    await received(5)
    expect(endpoint.ids.slice(3)).toEqual([unanswered, later])
  })

  it("no log line shows the secret or the URL, even if deliveries fail", async () => {
    endpoint.answerWith(answer(400))
    await run.set(endpoint.url)
    await run.start()
    const id = await run.alert()
    await run.untilState("it is behind", (state) => state?.through === Number(id))
    await until("a log", () => run.logged.length > 0)
    expect(run.logged.join("\n")).not.toMatch(/whsec_|\/alerts/)
  })

  it("the stored state of the deliveries stays before an alert whose delivery has no answer", async () => {
    let respond = () => {}
    endpoint.answerWith((response) => void (respond = () => void response.writeHead(204).end()))
    await run.set(endpoint.url)
    await run.start()
    const id = await run.alert()
    await received(1)
    await run.pass("5 seconds")
    expect(await run.state()).toBeUndefined()
    respond()
    await run.untilState("it is behind", (state) => state?.through === Number(id))
  })
})

describe("a deliverer and inner networks", () => {
  const broker = startedBeforeAll(() => TestBroker.start())
  // In these tests, 127.0.0.2 stands for a public address, so that no request leaves the machine.
  const outside = startedBeforeEach(() => freePort().then((port) => AlertEndpoint.start("127.0.0.2", port)))
  const stoodIn = "127.0.0.2"
  const rules = { isOpen: true, mayConnect: (address: string) => address === stoodIn }

  it("each delivery resolves the host name anew, and is refused when the name has an inner address", async () => {
    const inside = await AlertEndpoint.start("127.0.0.1", outside.port)
    let asked = 0
    const resolver = () => Effect.sync(() => ((asked += 1) % 2 === 1 ? [stoodIn] : ["127.0.0.1"]))
    const run = new DelivererRun(broker.url, newUser(), { rules, resolver })
    await run.set(`http://rebind.example:${outside.port}/`)
    await run.start()
    const ids = [await run.alert(), await run.alert()]
    await run.untilState("the first is behind", (state) => state !== undefined)
    await run.pass("100 millis")
    await run.untilState("both are behind", (state) => state?.through === Number(ids[1]))
    expect(inside.connections).toBe(0)
    expect(asked).toBe(2)
    expect(outside.ids).toEqual([ids[0]])
    expect(await run.store((store) => store.deadLetters(run.userId))).toMatchObject([
      {
        id: Number(ids[1]),
        reason: "The host rebind.example has an address that is not one of the public internet.",
        answer: ""
      }
    ])
    await run.stop()
    await inside.stop()
  })

  it("a host name with one public and one inner address gets no connection", async () => {
    const inside = await AlertEndpoint.start("127.0.0.1", outside.port)
    const resolver = () => Effect.succeed([stoodIn, "127.0.0.1"])
    const run = new DelivererRun(broker.url, newUser(), { rules, resolver })
    await run.set(`http://both.example:${outside.port}/`)
    await run.start()
    const id = await run.alert()
    await run.untilState("it is behind", (state) => state?.through === Number(id))
    expect([outside.connections, inside.connections]).toEqual([0, 0])
    await run.stop()
    await inside.stop()
  })

  it.each([
    "http://169.254.169.254/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::ffff:7f00:1]:8443/",
    "http://127.0.0.1:8443/"
  ])("a deliverer never connects to the stored URL %s", async (url) => {
    const run = new DelivererRun(broker.url, newUser(), { rules })
    await run.set(url)
    await run.start()
    const id = await run.alert()
    const state = await run.untilState("it is behind", (found) => found?.through === Number(id))
    expect(state.last?.reason).toMatch(/has an address that is not one of the public internet/)
    await run.stop()
  })
})
