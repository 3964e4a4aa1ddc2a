import { Duration, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { RuleBook } from "../../src/harness/alerts/RuleBook.ts"
import { positionsOf, untilJudged } from "../../src/harness/alerts/JudgedSystem.ts"
import { post } from "../../src/harness/system/Shopper.ts"
import { sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { cleanAlerts } from "../../src/judge/AlertJanitor.ts"
import { AlertRetention } from "../../src/nats/AlertRetention.ts"
import { alertFilter, alertsStream } from "../../src/protocol/Subject.ts"
import { serveEdge } from "../support/FeedEdge.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"

const everyPurchase = { measure: "quantity", is: "greater-or-equal", threshold: 1 }
const every = Duration.minutes(1)

describe("the janitor of alerts", () => {
  const system = startedBeforeEach(() => TestSystem.start())

  const buy = async (purchaseId: string) =>
    expect((await post(system.ask, sold("ann", purchaseId), { prefer: "wait=20" })).status).toBe(201)
  const kept = async () => (await system.admin.records(alertsStream, alertFilter)).map(({ sequence }) => sequence)

  it("the janitor removes alerts older than the retention, and keeps the newest position of the shard", async () => {
    await system.startWorker()
    const { runtime } = await system.startJudge()
    const clean = (retention: Duration.Duration) =>
      runtime.runPromise(cleanAlerts({ every, retention }).pipe(Effect.provide(AlertRetention.layer)))
    await new RuleBook(system.admin).put("ann", "all", everyPurchase)
    await buy("1")
    await buy("2")
    await untilJudged(system.admin)
    const before = await kept()
    expect(before).toHaveLength(2)
    const newest = (await positionsOf(system.admin)).at(-1)

    await clean(Duration.hours(1))
    expect(await kept()).toEqual(before)
    expect(await positionsOf(system.admin)).toEqual([newest])

    await clean(Duration.zero)
    expect(await kept()).toEqual([])
    await buy("3")
    await untilJudged(system.admin)
    expect(await kept()).toHaveLength(1)
  })

  it("the removal of the alerts before a time keeps the alerts that were stored after that time", async () => {
    await system.startWorker()
    const { runtime } = await system.startJudge()
    await new RuleBook(system.admin).put("ann", "all", everyPurchase)
    await buy("1")
    await buy("2")
    await untilJudged(system.admin)
    const since = Date.now() + 1
    await until("a later time has come", () => Date.now() > since)
    await buy("3")
    await untilJudged(system.admin)
    const [, , third] = await kept()
    await runtime.runPromise(
      Effect.flatMap(AlertRetention, ({ removeAlertsBefore }) => removeAlertsBefore(since)).pipe(
        Effect.provide(AlertRetention.layer)
      )
    )
    expect(await kept()).toEqual([third])
  })

  it("a feed of alerts is reset if alerts behind the reader's last id were removed, and gives all kept alerts", async () => {
    await system.startWorker()
    const { runtime } = await system.startJudge()
    const served = await serveEdge(system.edge)
    try {
      await new RuleBook(system.admin).put("ann", "all", everyPurchase)
      for (const purchaseId of ["1", "2"]) await buy(purchaseId)
      await untilJudged(system.admin)
      const [first = 0, second = 0] = await kept()
      await runtime.runPromise(
        cleanAlerts({ every, retention: Duration.zero }).pipe(Effect.provide(AlertRetention.layer))
      )
      await buy("3")
      await untilJudged(system.admin)
      const [third] = await kept()
      const readers = [
        await served.open("/users/ann/alerts/feed", String(first)),
        await served.open("/alerts/feed", String(first)),
        await served.open("/alerts/feed", String(second)),
        await served.open("/alerts/feed", "0")
      ]
      for (const reader of readers) await until("the third alert is told", () => reader.applied.length === 1)
      expect(readers.map(({ applied }) => applied[0]?.id)).toEqual(readers.map(() => String(third)))
      const resets = readers.map(({ events }) => events.filter(({ name }) => name === "reset").map(({ data }) => data))
      const detail = `After the last id, some of the alerts were removed, because they are kept for a limited time. The feed goes on after ${second}.`
      const removed = { reason: "removed", detail, id: String(second) }
      expect(resets).toEqual([[removed], [removed], [], []])
      for (const reader of readers) reader.close()
    } finally {
      await served.close()
    }
  })
})
