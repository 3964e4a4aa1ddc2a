import { beforeAll, describe, expect, it } from "vitest"
import { inputStream } from "../../src/protocol/Subject.ts"
import { mistakesAfter, post, readAccount, receiptOf } from "../../src/harness/system/Shopper.ts"
import { manySold, postBody, sold, type Sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"

/** The shortest window that the broker allows, in nanoseconds. */
const shortestWindow = 100_000_000

describe("Repeats", () => {
  // The duplicate window is so long that slow machines stay in it. The function postAfterTheWindow ends the window.
  const system = startedBeforeAll(() => TestSystem.start({ DUPLICATE_WINDOW: "1 hour" }))

  beforeAll(async () => {
    await system.startWorker()
  })

  const stored = async () => (await system.admin.state(inputStream)).messages

  /** Changes the broker's duplicate window. Returns the previous duplicate window. */
  const setWindow = async (nanoseconds: number): Promise<number> => {
    const info = await system.admin.api<{ readonly config: { readonly duplicate_window: number } }>(
      `STREAM.INFO.${inputStream}`
    )
    if (info === undefined) throw new Error("no input log")
    await system.admin.api(`STREAM.UPDATE.${inputStream}`, { ...info.config, duplicate_window: nanoseconds })
    return info.config.duplicate_window
  }

  /** Ends the window, and posts the purchase until the broker has forgotten it and stores it again. */
  const postAfterTheWindow = async (sale: Sold) => {
    const usual = await setWindow(shortestWindow)
    await until("the broker has forgotten the message id", async () => {
      const answer = await post(system.ask, sale)
      expect(answer.status).toBe(202)
      return !answer.headers.has("idempotent-replayed")
    })
    await setWindow(usual)
  }

  it("the broker drops repeats within the duplicate window, and the account drops later repeats", async () => {
    const sale = sold("again", "one")
    const first = await post(system.ask, sale)
    expect({ status: first.status, idempotentReplayed: first.headers.get("idempotent-replayed") }).toEqual({
      status: 202,
      idempotentReplayed: null
    })
    const before = await stored()
    const second = await post(system.ask, sale)
    expect({ status: second.status, idempotentReplayed: second.headers.get("idempotent-replayed") }).toEqual({
      status: 202,
      idempotentReplayed: "true"
    })
    expect(await second.text()).toBe(await first.text())
    expect(await stored()).toBe(before)
    expect((await receiptOf(system.ask, "again", "one")).repeatsDropped).toBe(0)

    await postAfterTheWindow(sale)
    expect(await stored()).toBe(before + 1)
    await postAfterTheWindow(sale)
    expect(await stored()).toBe(before + 2)
    expect((await receiptOf(system.ask, "again", "one")).repeatsDropped).toBe(2)
    expect(mistakesAfter(await readAccount(system.ask, "again"), [sale])).toEqual([])
  })

  it("a purchase with an applied id and another content is a conflict, which is recorded and counted", async () => {
    const sale = sold("clash", "one")
    const other = sold("clash", "one", { valueCents: 1_051 })
    await post(system.ask, sale)
    expect((await post(system.ask, other)).status).toBe(202)
    const sequence = await system.admin.newestInput(system.partitionOf("clash"))
    const receipt = await receiptOf(system.ask, "clash", "one")
    expect(receipt).toMatchObject({ value: 1_050n, conflictsRejected: 1, repeatsDropped: 0 })
    expect(await system.admin.keys("rejected.>")).toEqual({ [`rejected.${sequence}.0`]: 1 })
    const record = await system.admin.value(`rejected.${sequence}.0`)
    expect(record).toMatchObject({ inputSequence: sequence, index: 0, encoding: "text" })
    expect(JSON.parse(record.payload)).toEqual(other)

    const waited = await post(system.ask, sold("clash", "one", { quantity: 3 }), { prefer: "wait=20" })
    expect(waited.status).toBe(422)
    expect((await receiptOf(system.ask, "clash", "one")).conflictsRejected).toBe(2)
    expect(mistakesAfter(await readAccount(system.ask, "clash"), [sale])).toEqual([])
  })

  it("two users may have the same purchase id", async () => {
    const sales = ["ann", "ben"].map((user) => sold(user, "same"))
    for (const sale of sales) expect((await post(system.ask, sale)).headers.has("idempotent-replayed")).toBe(false)
    for (const sale of sales) {
      expect(mistakesAfter(await readAccount(system.ask, sale.userId), [sale])).toEqual([])
    }
  })

  it("a purchase that is posted 200 times at once counts once", async () => {
    const sale = sold("burst", "one")
    const answers = await Promise.all(Array.from({ length: 200 }, () => post(system.ask, sale, { prefer: "wait=20" })))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
    expect(answers.filter(({ headers }) => !headers.has("idempotent-replayed"))).toHaveLength(1)
    expect(new Set(await Promise.all(answers.map((answer) => answer.text()))).size).toBe(1)
    expect(mistakesAfter(await readAccount(system.ask, "burst"), [sale])).toEqual([])
  })

  it("8 callers with 500 posts each for one user make no repeat, and the order of each caller stays", async () => {
    const lanes = Array.from({ length: 8 }, (_, lane) => manySold("shared", 500, `lane${lane}-`))
    const postAll = async (sales: ReadonlyArray<Sold>) => {
      for (const sale of sales) {
        const answer = await post(system.ask, sale)
        if (answer.status !== 202) throw new Error(`${postBody(sale)}: ${answer.status}`)
      }
    }
    await Promise.all(lanes.map(postAll))
    const account = await readAccount(system.ask, "shared")
    expect(mistakesAfter(account, lanes.flat())).toEqual([])
    for (const [lane, sales] of lanes.entries()) {
      const ids = account.entries.map(({ purchaseId }) => purchaseId).filter((id) => id.startsWith(`lane${lane}-`))
      expect(ids).toEqual(sales.map(({ purchaseId }) => purchaseId))
    }
    const counts = await Promise.all(lanes.map(([first]) => receiptOf(system.ask, "shared", first?.purchaseId ?? "")))
    expect(counts.map(({ repeatsDropped }) => repeatsDropped)).toEqual(lanes.map(() => 0))
  })
})
