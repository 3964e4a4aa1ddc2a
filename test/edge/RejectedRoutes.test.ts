import { Context, Effect, ManagedRuntime } from "effect"
import { describe, expect, it } from "vitest"
import type { Purchase } from "../../src/account/Purchase.ts"
import type { Rejection } from "../../src/protocol/Rejection.ts"
import type { EdgeServices } from "../../src/edge/runtime/EdgeRuntime.ts"
import { PurchasePublisher } from "../../src/intake/PurchasePublisher.ts"
import { RejectedRecords } from "../../src/nats/RejectedRecords.ts"
import { brokerLayer } from "../../src/Layers.ts"
import { NotCurrent, QueryClient } from "../../src/asking/QueryClient.ts"
import { inputMessage, sold } from "../../src/harness/system/Sold.ts"
import { appOn, purchaseText, refusal, seen, useService } from "../support/TestService.ts"

const service = useService({ environment: { PARTITIONS: "1" } })

interface Step {
  readonly state: string
  readonly at: string
  readonly inputSequence?: number
  readonly purchase: { readonly purchaseId: string; readonly total: number }
  readonly receipt: string
}
interface Rejected {
  readonly inputSequence: number
  readonly index: number
  readonly reason: string
  readonly payload: string
  readonly payloadLength: number
  readonly replay: string
  readonly trail: ReadonlyArray<Step>
}

const negative = (userId: string) => inputMessage([sold(userId, `wrong-${userId}`, { valueCents: -5 })])

const record = async (sequence: number): Promise<Rejected> =>
  JSON.parse((await service.get(`/rejected/${sequence}/0`)).body) as Rejected

/** Replays a record through an application, which may have replaced services. */
const replayOn = (services: Context.Context<EdgeServices>, sequence: number, body: string) =>
  seen(
    appOn(services).request(`/rejected/${sequence}/0/replay`, {
      method: "POST",
      body,
      headers: { "content-type": "application/json" }
    })
  )
const replay = (sequence: number, body: string) => replayOn(service.edge.services, sequence, body)

const withPublisher = (publish: (typeof PurchasePublisher)["Service"]["publish"]) => {
  const real = Context.get(service.edge.services, PurchasePublisher)
  return Context.add(service.edge.services, PurchasePublisher, PurchasePublisher.of({ ...real, publish }))
}

const account = async (userId: string) =>
  JSON.parse((await service.get(`/users/${userId}/total`)).body) as { total: number; purchaseCount: number }

/** The sequence of the newest message of the input log. */
const newestInput = async () =>
  (await (await service.client.jetstreamManager()).streams.info("PURCHASES")).state.last_seq

const states = (trail: ReadonlyArray<Step>) => trail.map(({ state }) => state)

describe("GET /rejected", () => {
  it("GET /rejected lists rejected records, newest first, in pages", async () => {
    const rejected: Array<number> = []
    for (let number = 0; number < 7; number += 1) {
      await service.post(purchaseText({ userId: "between", purchaseId: `b${number}` }))
      rejected.unshift(await service.reject(`{"number":${number}`))
    }
    const listed: Array<number> = []
    const sizes: Array<number> = []
    let path: string | undefined = "/rejected?limit=3"
    while (path !== undefined) {
      const answer = await service.get(path)
      const page = JSON.parse(answer.body) as { rejected: ReadonlyArray<Rejected>; next?: string }
      expect(answer.headers["link"]).toBe(page.next === undefined ? undefined : `<${page.next}>; rel="next"`)
      sizes.push(page.rejected.length)
      listed.push(...page.rejected.map(({ inputSequence }) => inputSequence))
      expect(page.rejected[0]).toMatchObject({ index: 0, reason: "the message is not JSON", replay: "none" })
      path = page.next
    }
    expect(listed).toEqual(rejected)
    expect(sizes).toEqual([3, 3, 1])
  })

  it("GET /rejected finds its pages among many messages of the journal that are no records", async () => {
    const known = JSON.parse((await service.get("/rejected?limit=100")).body) as { rejected: ReadonlyArray<Rejected> }
    const stream = await service.client.jetstream()
    const rejected = known.rejected.map(({ inputSequence }) => inputSequence)
    for (let number = 0; number < 4; number += 1) {
      // Segments that no commit names are harmless.
      await Promise.all(Array.from({ length: 150 }, () => stream.publish("$KV.journal.segment.0", "unreferenced")))
      rejected.unshift(await service.reject(`{"far":${number}`))
    }
    await Promise.all(Array.from({ length: 150 }, () => stream.publish("$KV.journal.segment.0", "unreferenced")))
    const listed: Array<number> = []
    for (let path: string | undefined = "/rejected?limit=2"; path !== undefined;) {
      const page = JSON.parse((await service.get(path)).body) as { rejected: ReadonlyArray<Rejected>; next?: string }
      listed.push(...page.rejected.map(({ inputSequence }) => inputSequence))
      path = page.next
    }
    expect(listed).toEqual(rejected)
  })

  it("GET /rejected lists a rejected record once if its input was decided again after a crash", async () => {
    const sequence = await service.reject("[")
    const before = (await service.get(`/rejected/${sequence}/0`)).body
    const again: Rejection = {
      reason: "the message is not JSON",
      payload: "[",
      encoding: "text",
      inputSequence: sequence,
      index: 0
    }
    // Only workers may write a rejected record.
    const worker = ManagedRuntime.make(brokerLayer(service.settings, "worker", "test"))
    await worker.runPromise(Effect.flatMap(Effect.service(RejectedRecords), ({ record }) => record(again)))
    await worker.dispose()
    const { rejected } = JSON.parse((await service.get("/rejected?limit=100")).body) as {
      rejected: ReadonlyArray<Rejected>
    }
    expect(rejected.filter(({ inputSequence }) => inputSequence === sequence)).toHaveLength(1)
    expect((await service.get(`/rejected/${sequence}/0`)).body).toBe(before)
  })

  it("GET /rejected shows the beginning of a long payload, and the record shows the whole payload", async () => {
    const payload = `{"long":"${"x".repeat(5_000)}"}`
    const sequence = await service.reject(payload)
    const { rejected } = JSON.parse((await service.get("/rejected?limit=1")).body) as { rejected: [Rejected] }
    expect(rejected[0]).toMatchObject({
      inputSequence: sequence,
      payloadLength: 5_011,
      payload: payload.slice(0, 1_000)
    })
    expect(await record(sequence)).toMatchObject({ payload, payloadLength: 5_011, replay: "none", trail: [] })
  })

  it("GET /rejected refuses a key that names no record", async () => {
    expect(await service.get("/rejected/999999/0")).toEqual(
      refusal(
        "not-found",
        "Message 999999 has no rejected record at index 0. GET /rejected lists the rejected records.",
        "/rejected/999999/0"
      )
    )
    expect((await replay(999_999, purchaseText())).status).toBe(404)
    expect((await service.get("/rejected/0/0")).status).toBe(400)
    expect((await service.get("/rejected?limit=101")).status).toBe(400)
  })
})

describe("POST /rejected/{inputSequence}/{index}/replay", () => {
  it("a replay that is sent several times applies the corrected purchase once, and keeps its trail", async () => {
    const sequence = await service.reject(negative("once"))
    const body = purchaseText({ userId: "once", value: 5 })
    const first = await replay(sequence, body)
    expect({ status: first.status, location: first.headers["location"] }).toEqual({
      status: 200,
      location: `/users/once/purchases/replay-${sequence}-0`
    })
    const before = await newestInput()
    const again = await replay(sequence, body)
    expect({
      status: again.status,
      idempotentReplayed: again.headers["idempotent-replayed"],
      body: again.body
    }).toEqual({ status: 200, idempotentReplayed: "true", body: first.body })
    expect(await newestInput()).toBe(before)
    expect(await account("once")).toMatchObject({ total: 10, purchaseCount: 1 })

    const { replay: state, trail } = await record(sequence)
    expect({ state, trail: states(trail) }).toEqual({ state: "applied", trail: ["begun", "applied"] })
    expect(trail[1]?.inputSequence).toBe(before)
    expect(trail[1]?.purchase).toMatchObject({ purchaseId: `replay-${sequence}-0`, userId: "once", total: 10 })
    expect(trail.every(({ at }, index) => index === 0 || at >= (trail[index - 1]?.at ?? ""))).toBe(true)
    expect((await service.get(trail[1]?.receipt ?? "")).status).toBe(200)
  })

  it("a replay refuses another content after the first", async () => {
    const sequence = await service.reject(negative("fixed"))
    expect((await replay(sequence, purchaseText({ userId: "fixed", purchaseId: "mine" }))).status).toBe(200)
    for (const other of [{ quantity: 3 }, { userId: "somebody-else" }, { purchaseId: "other" }]) {
      const answer = await replay(sequence, purchaseText({ userId: "fixed", purchaseId: "mine", ...other }))
      expect(answer).toEqual(
        refusal(
          "already-replayed",
          "This record is replayed as purchase mine of user fixed with another content, and a record counts once. Send the same content again to finish that replay, or post a new purchase.",
          `/rejected/${sequence}/0/replay`
        )
      )
    }
    expect(await account("fixed")).toMatchObject({ total: 25, purchaseCount: 1 })
    expect((await account("somebody-else")).purchaseCount).toBe(0)
  })

  it("a replay of a body that is no purchase sends nothing, and settles nothing", async () => {
    const sequence = await service.reject(negative("careless"))
    const before = await newestInput()
    expect((await replay(sequence, "{")).status).toBe(400)
    expect((await replay(sequence, purchaseText({ userId: "careless", quantity: 0 }))).status).toBe(422)
    expect(await newestInput()).toBe(before)
    expect((await record(sequence)).trail).toEqual([])
  })

  it("a replay refuses an id with a blank around, and settles nothing", async () => {
    const sequence = await service.reject(negative("blank"))
    const path = `/rejected/${sequence}/0/replay`
    for (const name of ["userId", "purchaseId"]) {
      expect(await replay(sequence, purchaseText({ [name]: "bob " }))).toEqual(
        refusal("refused-by-rules", `${name} must not begin or end with a blank.`, path)
      )
    }
    expect((await record(sequence)).trail).toEqual([])
  })

  it("a replay accepts a byte order mark before the body, and compares numbers by their value", async () => {
    const sequence = await service.reject(negative("marked"))
    const body = `\uFEFF${purchaseText({ userId: "marked" }).replace('"quantity":2', '"quantity":2.0')}`
    expect((await replay(sequence, body)).status).toBe(200)
    expect(await account("marked")).toMatchObject({ total: 25, purchaseCount: 1 })
  })

  it("the trail shows the steps of a replay even if their ids would be refused today", async () => {
    const sequence = await service.reject(negative("older"))
    const records = Context.get(service.edge.services, RejectedRecords)
    const purchase = { ...sold("older ", "p1 ", { productName: " " }), valueCents: 1_050n } as unknown as Purchase
    await Effect.runPromise(records.step({ inputSequence: sequence, index: 0 }, { state: "begun", purchase }, 0))
    expect(await record(sequence)).toMatchObject({
      replay: "begun",
      trail: [{ state: "begun", purchase: { userId: "older ", purchaseId: "p1 ", productName: " " } }]
    })
  })

  it("a replay that broke off before its purchase was sent goes on when the replay is sent again", async () => {
    const sequence = await service.reject(negative("early"))
    const body = purchaseText({ userId: "early" })
    const broken = withPublisher(() => Effect.interrupt)
    expect((await replayOn(broken, sequence, body)).status).toBe(503)
    expect(states((await record(sequence)).trail)).toEqual(["begun"])
    expect((await account("early")).purchaseCount).toBe(0)
    expect((await replay(sequence, purchaseText({ userId: "early", quantity: 9 }))).status).toBe(409)
    expect((await replay(sequence, body)).status).toBe(200)
    expect(states((await record(sequence)).trail)).toEqual(["begun", "applied"])
    expect(await account("early")).toMatchObject({ total: 25, purchaseCount: 1 })
  })

  it("a replay that broke off after its purchase was sent goes on when the replay is sent again", async () => {
    const sequence = await service.reject(negative("late"))
    const records = Context.get(service.edge.services, RejectedRecords)
    const broken = Context.add(
      service.edge.services,
      RejectedRecords,
      RejectedRecords.of({
        ...records,
        step: (place, step, after) => (step.state === "begun" ? records.step(place, step, after) : Effect.interrupt)
      })
    )
    const body = purchaseText({ userId: "late" })
    expect((await replayOn(broken, sequence, body)).status).toBe(503)
    expect(states((await record(sequence)).trail)).toEqual(["begun"])
    expect((await account("late")).purchaseCount).toBe(1)
    expect((await replay(sequence, body)).status).toBe(200)
    expect(states((await record(sequence)).trail)).toEqual(["begun", "applied"])
    expect(await account("late")).toMatchObject({ total: 25, purchaseCount: 1 })
  })

  it("a replay of unknown outcome is 202, and the same replay again tells the outcome and sends nothing", async () => {
    const sequence = await service.reject(negative("patient"))
    const unanswered = Context.add(
      service.edge.services,
      QueryClient,
      QueryClient.of({ ask: () => Effect.fail(new NotCurrent({ waitedMilliseconds: 5_000 })) })
    )
    const body = purchaseText({ userId: "patient" })
    for (const _ of [1, 2]) {
      expect((await replayOn(unanswered, sequence, body)).status).toBe(202)
      expect(states((await record(sequence)).trail)).toEqual(["begun", "stored"])
    }
    // The broker drops repeats only within its duplicate window.
    const silent = withPublisher(() => Effect.die("nothing is sent again"))
    expect((await replayOn(silent, sequence, body)).status).toBe(200)
    expect(states((await record(sequence)).trail)).toEqual(["begun", "stored", "applied"])
    expect(await account("patient")).toMatchObject({ total: 25, purchaseCount: 1 })
  })

  it("of many different replays of one record that are sent at once, only one begins", async () => {
    const sequence = await service.reject(negative("crowd"))
    const answers = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((quantity) => replay(sequence, purchaseText({ userId: "crowd", quantity })))
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409, 409])
    expect((await account("crowd")).purchaseCount).toBe(1)
    expect(states((await record(sequence)).trail)).toEqual(["begun", "applied"])
  })

  it("a replay whose purchase id belongs to another purchase says so, and can be sent again with another id", async () => {
    await service.post(purchaseText({ userId: "twice", purchaseId: "taken" }))
    const sequence = await service.reject(negative("twice"))
    const body = purchaseText({ userId: "twice", purchaseId: "taken", quantity: 7 })
    for (const _ of [1, 2]) {
      expect(await replay(sequence, body)).toEqual(
        refusal(
          "conflicting-purchase",
          "The purchaseId taken of user twice was used before for another purchase, so nothing was applied. Replay it with another purchaseId.",
          `/rejected/${sequence}/0/replay`,
          { location: "/users/twice/purchases/taken" }
        )
      )
    }
    expect((await replay(sequence, purchaseText({ userId: "twice", purchaseId: "free", quantity: 7 }))).status).toBe(
      200
    )
    expect(states((await record(sequence)).trail)).toEqual(["begun", "conflicting", "begun", "applied"])
    expect((await replay(sequence, purchaseText({ userId: "twice", quantity: 8 }))).status).toBe(409)
    expect(await account("twice")).toMatchObject({ total: 112.5, purchaseCount: 2 })
  })
})
