import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { BrokerAdmin } from "../../src/harness/system/BrokerAdmin.ts"
import { OperationLog } from "../../src/harness/system/OperationLog.ts"
import { seeded, shuffled } from "../../src/harness/system/Random.ts"
import { type Ask, askAt, exactJson, readAccount } from "../../src/harness/system/Shopper.ts"
import { manySold } from "../../src/harness/system/Sold.ts"
import { freePort, TestBroker, until } from "../../src/harness/system/TestBroker.ts"
import { setUpStreams, testSettings } from "../../src/harness/system/TestLedger.ts"
import { TestProcess } from "../../src/harness/system/TestProcess.ts"

const purchases = 20_000
const killsOfEach = 5
/** Reads go on until this many reads are answered, however slow they are. */
const readsMin = 21
const users = Array.from({ length: 16 }, (_, index) => `user${index}`)
const lanesOfUser = 5
const partitions = 8

describe("kill -9 at random moments", () => {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
  let broker: TestBroker
  let admin: BrokerAdmin
  let port: number
  let ask: Ask
  const running = new Map<string, TestProcess>()

  beforeAll(async () => {
    console.info(`SEED=${seed} repeats this run's choices`)
    broker = await TestBroker.start()
    admin = await BrokerAdmin.open(broker.url, partitions)
    await setUpStreams(testSettings({ NATS_URL: broker.url, PARTITIONS: String(partitions) }))
    port = await freePort()
    ask = askAt(port)
    start("worker")
    start("edge")
    await until("the edge is ready", () =>
      ask("/readyz").then(
        ({ ok }) => ok,
        () => false
      )
    )
  })

  afterAll(async () => {
    for (const one of running.values()) await one.kill()
    await admin.close()
    await broker.stop()
  })

  const start = (role: "worker" | "edge") =>
    running.set(
      role,
      new TestProcess(role, {
        NATS_URL: broker.url,
        PORT: String(port),
        PARTITIONS: String(partitions),
        WORKER_ID: role,
        // Heads are written after every revision, so that kills come while heads are written.
        TEST_HEADS_REVISIONS: "1"
      })
    )

  const kill = async (victim: "worker" | "edge" | "broker") => {
    if (victim === "broker") {
      await broker.kill()
      return broker.run()
    }
    expect(await running.get(victim)?.kill()).toEqual({ code: null, signal: "SIGKILL" })
    start(victim)
  }

  it("5 kills each of worker, edge and broker during 20,000 purchases neither lose nor double any purchase", async () => {
    const random = seeded(seed)
    const victims = shuffled(
      (["worker", "edge", "broker"] as const).flatMap((one) => Array(killsOfEach).fill(one)),
      random
    )
    const moments = victims.map(() => Math.floor(random() * purchases * 0.97)).toSorted((a, b) => a - b)
    const log = new OperationLog()
    const done = new AbortController()

    const lanes = users.flatMap((user) =>
      Array.from({ length: lanesOfUser }, (_, lane) =>
        manySold(user, purchases / users.length / lanesOfUser, `${lane}-`)
      )
    )
    const selling = Promise.all(
      lanes.map(async (sales) => {
        for (const sale of sales) await log.sell(ask, sale)
      })
    ).finally(() => done.abort())

    const readProblems: Array<string> = []
    let reads = 0
    const reading = (async () => {
      const counts = new Map<string, number>()
      while (!done.signal.aborted || reads < readsMin) {
        const user = users[Math.floor(random() * users.length)] ?? ""
        const least = Math.max(log.acknowledgedOf(user), counts.get(user) ?? 0)
        const answer = await ask(`/users/${user}/total`).catch(() => undefined)
        const text = await answer?.text().catch(() => undefined)
        if (answer?.status !== 200 || text === undefined) continue
        const { purchaseCount } = exactJson(text)
        reads += 1
        if (purchaseCount < least) readProblems.push(`${user}: ${purchaseCount} of at least ${least}`)
        counts.set(user, purchaseCount)
      }
    })()

    for (const [index, victim] of victims.entries()) {
      const moment = moments[index] ?? 0
      await until(`${moment} are acknowledged`, () => log.acknowledged >= moment, 60_000)
      await kill(victim)
    }
    await selling
    await reading
    await admin.untilApplied(60_000)

    const mistakes = async () => {
      const found = await Promise.all(users.map(async (user) => log.mistakesOf(user, await readAccount(ask, user))))
      return found.flat()
    }
    expect(await mistakes()).toEqual([])
    expect(log.acknowledged).toBe(purchases)
    expect(readProblems).toEqual([])
    // A run without an effect of the kills would prove nothing. Each kill of the edge cuts off the requests of 80
    // lanes.
    expect(log.failures).toBeGreaterThan(2 * killsOfEach)

    // The checks are repeated after all processes were started again.
    for (const victim of ["worker", "broker", "edge"] as const) await kill(victim)
    await until("the edge is ready", () =>
      ask("/readyz").then(
        ({ ok }) => ok,
        () => false
      )
    )
    expect(await mistakes()).toEqual([])
    expect(await admin.keys("rejected.>")).toEqual({})
  }, 180_000)
})
