import { Context, Effect } from "effect"
import { beforeAll, describe, expect, it } from "vitest"
import { QueryClient } from "../../src/asking/QueryClient.ts"
import { decodeNotices } from "../../src/protocol/AppliedNotice.ts"
import { BrokerUnavailable } from "../../src/protocol/BrokerError.ts"
import type { LedgerEntry, Question, Reply } from "../../src/protocol/Query.ts"
import { noticePrefix } from "../../src/protocol/Subject.ts"
import { InputLog } from "../../src/nats/InputLog.ts"
import { connectAs } from "../../src/harness/system/TestKeys.ts"
import { manySold, sold, type Sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { makeGate } from "../support/Faults.ts"
import { startedBeforeAll, startedBeforeEach } from "../support/StartedBefore.ts"

/** A reversal as a test sends it. */
interface Reversed {
  readonly reversalId: string
  readonly userId: string
  readonly purchaseId: string
  readonly quantity?: number
  readonly reason: string
}

const reversed = (userId: string, reversalId: string, different: Partial<Reversed> = {}): Reversed => ({
  reversalId,
  userId,
  purchaseId: "one",
  reason: "Broken",
  ...different
})

type ReplyOf<Kind> = Extract<Reply, { readonly kind: Kind }>

/** Returns functions that publish messages by plain NATS, and that ask the owner of an account. */
const clientOf = (system: TestSystem) => {
  const messageOf = (requests: ReadonlyArray<Sold | Reversed>) => JSON.stringify({ version: 1, purchases: requests })
  const ask = async <Q extends Question>(question: Q): Promise<ReplyOf<Q["kind"]>> => {
    const client = Context.get(system.edge.services, QueryClient)
    const reply = await Effect.runPromise(client.ask(question, { consistency: "strong", waitMilliseconds: 20_000 }))
    expect(reply.kind).toBe(question.kind)
    return reply as ReplyOf<Q["kind"]>
  }
  return {
    /** Stores one message of one user, without a message id. Returns its sequence in the input log. */
    publish: (...requests: ReadonlyArray<Sold | Reversed>) =>
      system.admin.publish(`purchases.${requests[0]?.userId}`, messageOf(requests)),
    /** Stores one message of one user that asks for notices. */
    publishWithNotice: (address: string, ...requests: ReadonlyArray<Sold | Reversed>) => {
      const userId = requests[0]?.userId ?? ""
      const subject = `purchases.${system.partitionOf(userId)}.${userId}`
      const input = Context.get(system.edge.services, InputLog)
      return Effect.runPromise(input.append(subject, crypto.randomUUID(), messageOf(requests), address))
    },
    total: (userId: string) => ask({ kind: "total", userId }),
    page: (userId: string) => ask({ kind: "page", userId, limit: 50 }),
    totalsBefore: (userId: string, ...moments: ReadonlyArray<number>) => ask({ kind: "totalsBefore", userId, moments }),
    receipt: async (userId: string, purchaseId: string) =>
      (await ask({ kind: "receipt", userId, purchaseId, reversals: true })).receipt,
    receiptAlone: async (userId: string, purchaseId: string) =>
      (await ask({ kind: "receipt", userId, purchaseId })).receipt,
    reversal: async (userId: string, reversalId: string) =>
      (await ask({ kind: "receipt", userId, reversalId })).receipt,
    outcome: async (userId: string, reversalId: string, inputSequence: number) =>
      (await ask({ kind: "outcome", userId, reversalId, inputSequence })).entry,
    /** Returns the reasons of the rejected records of a message, by index. */
    refusals: async (inputSequence: number) => {
      await system.admin.untilApplied()
      const keys = await system.admin.keys(`rejected.${inputSequence}.>`)
      expect(Object.values(keys).every((count) => count === 1)).toBe(true)
      const records = await Promise.all(Object.keys(keys).map((key) => system.admin.value(key)))
      return Object.fromEntries(records.map(({ index, reason }) => [index, reason]))
    }
  }
}

const shown = ({ number, purchaseId, quantity, totalAfter, reversal }: LedgerEntry) => [
  number,
  purchaseId,
  reversal?.reversalId ?? "purchase",
  quantity,
  totalAfter
]

describe("Reversals in the input log", () => {
  const system = startedBeforeAll(() => TestSystem.start())
  const client = () => clientOf(system)

  beforeAll(async () => {
    await system.startWorker()
  })

  it("a reversal is applied once, however often it comes, and is shown as an entry of its own", async () => {
    const { publish, total, page, reversal, outcome } = client()
    await publish(sold("often", "one", { quantity: 5 }))
    const part = reversed("often", "r1", { quantity: 2, reason: "Two are broken" })
    const sequence = await publish(part)
    await publish(part, part)
    await publish(part)
    expect(await total("often")).toMatchObject({ total: 3_150n, count: 2, reversals: 1 })
    expect((await page("often")).entries.map(shown)).toEqual([
      [2, "one", "r1", 2, 3_150n],
      [1, "one", "purchase", 5, 5_250n]
    ])
    const receipt = await reversal("often", "r1")
    expect(receipt).toMatchObject({ repeats: 3, conflicts: 0, reversed: 0, reversals: [] })
    expect(receipt?.entry).toMatchObject({
      productName: "Lamp",
      valueCents: 1_050n,
      inputSequence: sequence,
      reversal: { reversalId: "r1", reason: "Two are broken", asked: 2, previous: 0 }
    })
    expect(await outcome("often", "r1", sequence)).toEqual(receipt?.entry)
  })

  it("the same reversal id with another content is a conflict, and the id of a purchase is no reversal id", async () => {
    const { publish, refusals, reversal, total } = client()
    await publish(sold("clash", "one"), reversed("clash", "one", { quantity: 1 }))
    const sequence = await publish(reversed("clash", "one", { quantity: 1, reason: "Late" }))
    expect(await refusals(sequence)).toEqual({ 0: "reversal one was applied before with another content" })
    expect(await reversal("clash", "one")).toMatchObject({ conflicts: 1 })
    expect(await total("clash")).toMatchObject({ total: 1_050n, count: 2, reversals: 1 })
  })

  it("a reversal of too many pieces, or of an unknown purchase, leaves a rejected record and no entry", async () => {
    const { publish, refusals, total } = client()
    await publish(sold("more", "one", { quantity: 3 }), reversed("more", "r1", { quantity: 2 }))
    const beyond = reversed("more", "r2", { quantity: 2 })
    const sequence = await publish(beyond, reversed("more", "r3", { purchaseId: "two" }))
    expect(await refusals(sequence)).toEqual({
      0: "reversal r2 cannot be applied: it asks for 2 of purchase one, of which 1 are left",
      1: "reversal r3 cannot be applied: purchase two was not applied before"
    })
    const record = await system.admin.value(`rejected.${sequence}.0`)
    expect({ encoding: record.encoding, request: JSON.parse(record.payload) }).toEqual({
      encoding: "text",
      request: beyond
    })
    const rest = await publish(reversed("more", "r4"), reversed("more", "r5"))
    expect(await refusals(rest)).toEqual({
      1: "reversal r5 cannot be applied: all pieces of purchase one are reversed already"
    })
    expect(await total("more")).toMatchObject({ total: 0n, count: 3, reversals: 2 })
    expect((await system.admin.account("more")).map(({ purchases }) => purchases.length)).toEqual([2, 1])
  })

  it("the purchases and reversals of one message are decided in their order", async () => {
    const { publish, refusals, page } = client()
    const sequence = await publish(
      reversed("order", "early"),
      sold("order", "one"),
      reversed("order", "r1", { quantity: 1 }),
      sold("order", "two", { valueCents: 100 }),
      reversed("order", "r2")
    )
    expect(await refusals(sequence)).toEqual({
      0: "reversal early cannot be applied: purchase one was not applied before"
    })
    expect((await page("order")).entries.map(shown).toReversed()).toEqual([
      [1, "one", "purchase", 2, 2_100n],
      [2, "one", "r1", 1, 1_050n],
      [3, "two", "purchase", 2, 1_250n],
      [4, "one", "r2", 1, 200n]
    ])
  })

  it("a message of a reversal for another user than its subject names is rejected", async () => {
    const { publish, refusals, total } = client()
    await publish(sold("ann", "one"))
    await publish(sold("ben", "one"))
    const payload = JSON.stringify({ version: 1, purchases: [reversed("ann", "r1")] })
    const sequence = await system.admin.publish("purchases.ben", payload)
    expect(Object.keys(await refusals(sequence))).toEqual(["0"])
    expect(JSON.parse((await system.admin.value(`rejected.${sequence}.0`)).payload)).toEqual(reversed("ann", "r1"))
    expect(await total("ann")).toMatchObject({ total: 2_100n, reversals: 0 })
  })

  it("a purchase's receipt has its newest 100 reversals, newest first, and the number of reversed pieces", async () => {
    const { publish, receipt, receiptAlone } = client()
    await publish(sold("many", "one", { quantity: 200 }), sold("many", "two"))
    for (let from = 0; from < 105; from += 7) {
      const seven = Array.from({ length: 7 }, (_, index) =>
        reversed("many", `r${from + index}`, { quantity: 1, reason: `reason ${from + index}` })
      )
      await publish(...seven, reversed("many", `other ${from}`, { purchaseId: "two", quantity: 2 }))
    }
    const found = await receipt("many", "one")
    expect(found).toMatchObject({ reversed: 105, repeats: 0, conflicts: 0 })
    expect(found?.entry.reversal).toBeUndefined()
    expect(await receiptAlone("many", "one")).toEqual({ ...found, reversals: [] })
    expect(found?.reversals.map(({ reversal }) => reversal?.reason)).toEqual(
      Array.from({ length: 100 }, (_, index) => `reason ${104 - index}`)
    )
  })

  it("the total at a past time counts a reversal if the reversal was stored by that time", async () => {
    const { publish, page, totalsBefore } = client()
    await publish(sold("past", "one"))
    await publish(reversed("past", "r1", { quantity: 1 }))
    const [reversal, purchase] = (await page("past")).entries
    const before = await totalsBefore("past", purchase?.storedAt ?? 0, (reversal?.storedAt ?? 0) + 1)
    expect(before.totals).toEqual([
      { total: 0n, count: 0, reversals: 0 },
      { total: 1_050n, count: 2, reversals: 1 }
    ])
  })

  it("an edge gets a notice for each applied purchase or reversal, and for each refused reversal", async () => {
    const { publishWithNotice } = client()
    const heard: Array<unknown> = []
    const connection = await connectAs("admin", system.broker.url)
    connection.subscribe(`${noticePrefix}someEdge`, {
      callback: (_error, message) => void heard.push(...decodeNotices(message.string()))
    })
    await connection.flush()
    await publishWithNotice(
      "someEdge.7",
      sold("told", "one"),
      reversed("told", "r1", { quantity: 1 }),
      reversed("told", "r2", { quantity: 2 }),
      reversed("told", "r3", { purchaseId: "two" })
    )
    await publishWithNotice("someEdge.8", reversed("told", "r4", { purchaseId: "two" }))
    await until("all notices came", () => Promise.resolve(heard.length >= 5))
    await connection.close()
    expect(new Set(heard)).toEqual(
      new Set([
        { message: 7, index: 0, totalAfter: 2_100n },
        { message: 7, index: 1, totalAfter: 1_050n },
        { message: 7, index: 2, totalAfter: 1_050n, refusal: "more-than-left" },
        { message: 7, index: 3, totalAfter: 1_050n, refusal: "no-purchase" },
        { message: 8, index: 0, totalAfter: 1_050n, refusal: "no-purchase" }
      ])
    )
  })
})

describe("Reversals and take-overs", () => {
  const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: "1" }))

  it("a new owner knows the reversed pieces, even in an account whose reversals are in segments", async () => {
    const { publish, refusals, total, receipt } = clientOf(system)
    const first = await system.startWorker()
    const publishApplied = async (request: Sold | Reversed) => {
      await publish(request)
      await system.admin.untilApplied()
    }
    await publish(sold("ann", "one", { quantity: 26 }))
    for (let number = 0; number < 25; number += 1) await publishApplied(reversed("ann", `r${number}`, { quantity: 1 }))
    const others = manySold("ann", 34)
    for (const sale of others) await publishApplied(sale)
    const before = (await system.admin.account("ann")).at(-1)
    expect(before?.segment).toBeGreaterThan(0)
    // No unsealed revision of this account has a reversal.
    expect(before?.unsealed).toBeLessThan(others.length)
    await first.stop()
    await system.startWorker()
    const idsOf = async () => (await receipt("ann", "one"))?.reversals.map(({ reversal }) => reversal?.reversalId)
    const sealed = Array.from({ length: 25 }, (_, number) => `r${24 - number}`)
    expect(await idsOf()).toEqual(sealed)
    const sequence = await publish(
      reversed("ann", "r0", { quantity: 1 }),
      reversed("ann", "beyond", { quantity: 2 }),
      reversed("ann", "last")
    )
    expect(await refusals(sequence)).toEqual({
      1: "reversal beyond cannot be applied: it asks for 2 of purchase one, of which 1 are left"
    })
    expect(await total("ann")).toMatchObject({ total: (before?.total ?? 0n) - 1_050n, count: 61, reversals: 26 })
    expect(await idsOf()).toEqual(["last", ...sealed])
    expect((await receipt("ann", "one"))?.reversed).toBe(26)
  })

  it("a new epoch neither applies nor refuses reversals again that the old epoch decided", async () => {
    const { publish, refusals, total, reversal } = clientOf(system)
    await system.startWorker()
    await publish(sold("slow", "before"))
    await system.admin.untilApplied()
    const slowRevision = (await system.admin.commits(0)).at(-1)?.sequence
    await system.stopWorkers()
    // The first message belongs to a user whose account cannot be read now, so the position stays before it.
    const gate = makeGate()
    let loads = 0
    await system.startWorker({
      chain: (real) => ({
        ...real,
        at: (sequence) =>
          Effect.suspend(() => {
            if (sequence !== slowRevision) return real.at(sequence)
            loads += 1
            if (loads > 1) return real.at(sequence)
            const unavailable = new BrokerUnavailable({ operation: "read", reason: "a test broke it" })
            return Effect.andThen(gate.pass, Effect.fail(unavailable))
          })
      })
    })
    await publish(sold("slow", "one"))
    const early = await publish(reversed("fast", "early"), sold("fast", "one"), reversed("fast", "r1", { quantity: 1 }))
    const late = await publish(reversed("fast", "r2", { quantity: 2 }), reversed("fast", "r1", { quantity: 1 }))
    await until("both messages are decided", async () => (await system.admin.account("fast")).at(-1)?.count === 2)
    await until("the refusal is recorded", async () => `rejected.${late}.0` in (await system.admin.keys("rejected.>")))
    await until("the repeat is counted", async () => (await system.admin.revisions("fast")) === 2)
    expect(await system.admin.position(0)).toBe(1)

    gate.open()
    await until("all is applied", async () => (await system.admin.position(0)) === late)
    expect(await system.admin.epochs(0)).toHaveLength(3)
    expect(await refusals(early)).toEqual({
      0: "reversal early cannot be applied: purchase one was not applied before"
    })
    expect(await refusals(late)).toEqual({
      0: "reversal r2 cannot be applied: it asks for 2 of purchase one, of which 1 are left"
    })
    expect(await total("fast")).toMatchObject({ total: 1_050n, count: 2, reversals: 1 })
    expect(await system.admin.revisions("fast")).toBe(2)
    expect(await reversal("fast", "r1")).toMatchObject({ repeats: 1, conflicts: 0 })
  })
})
