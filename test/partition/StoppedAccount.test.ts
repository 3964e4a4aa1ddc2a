import { describe, expect, it } from "vitest"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import { commitSubject, inputStream } from "../../src/protocol/Subject.ts"
import { metricsApp } from "../../src/metrics/MetricsApp.ts"
import { mistakesAfter, post, readAccount } from "../../src/harness/system/Shopper.ts"
import { sold, type Sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import type { TestWorker } from "../../src/harness/system/TestLedger.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"

const waiting = { prefer: "wait=20" }
/** The time for which a missing record is read again, and some more, in milliseconds. */
const missingWait = 20_000

describe("an account whose records cannot be read", () => {
  const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: "1", WORKER_HEARTBEAT: "200 millis" }))
  const ann = sold("ann", "ann-1")
  const bob = sold("bob", "bob-1")

  /** Appends a commit by hand whose only line is `line`, while no worker runs. */
  const forge = async (line: string) => {
    const position = await system.admin.position(0)
    const commit = encodeCommit({ kind: "commit", epoch: 1, worker: "forger", position }, [line])
    await system.admin.publish(commitSubject(0), commit)
  }

  /** Applies a purchase of each user, forges a commit with a line, and starts another worker. */
  const startForged = async (line: string): Promise<TestWorker> => {
    await system.startWorker()
    for (const sale of [ann, bob]) expect((await post(system.ask, sale, waiting)).status).toBe(201)
    await system.stopWorkers()
    await forge(line)
    return system.startWorker()
  }

  const problemOf = async (path: string) => {
    const answer = await system.ask(path)
    return { status: answer.status, type: ((await answer.json()) as { type?: string }).type }
  }
  const unreadable = { status: 503, type: "urn:purchase-ledger:problem:account-unreadable" }

  const sellBob = async (number: number): Promise<Sold> => {
    const sale = sold("bob", `bob-${number}`)
    expect((await post(system.ask, sale, waiting)).status).toBe(201)
    return sale
  }

  it("an unreadable record stops its account, and the other accounts of the partition go on", async () => {
    await startForged('["ann","not a revision"]')
    for (const path of ["/users/ann/total", "/users/ann/purchases", "/users/ann/purchases/ann-1"]) {
      expect(await problemOf(path)).toEqual(unreadable)
    }
    const epochs = await system.admin.epochs(0)
    // The questions of both users share requests to the owner.
    const both = await Promise.all(
      Array.from({ length: 40 }, (_, number) => system.ask(`/users/${number % 2 === 0 ? "ann" : "bob"}/total`))
    )
    expect(both.map(({ status }) => status)).toEqual(both.map((_, number) => (number % 2 === 0 ? 503 : 200)))

    expect((await post(system.ask, sold("ann", "ann-2"))).status).toBe(202)
    const more = [await sellBob(2), await sellBob(3)]
    expect(mistakesAfter(await readAccount(system.ask, "bob"), [bob, ...more])).toEqual([])
    await system.admin.untilApplied()
    expect(await system.admin.epochs(0)).toEqual(epochs)
  })

  it("purchases of a stopped account are kept as rejected records, which name the reason", async () => {
    await startForged('["ann","not a revision"]')
    expect((await post(system.ask, sold("ann", "ann-2"))).status).toBe(202)
    await system.admin.untilApplied()
    const { last_seq: sequence } = await system.admin.state(inputStream)
    const record = await system.ask(`/rejected/${sequence}/0`)
    expect(record.status).toBe(200)
    expect(await record.text()).toContain("the account of this user cannot be read")
  })

  it("a stopped account is named by /status and counted by the metrics until its epoch is over", async () => {
    const worker = await startForged('["ann","not a revision"]')
    await problemOf("/users/ann/total")
    const stopped = async () => {
      const answer = (await (await system.ask("/status")).json()) as {
        readonly workers: ReadonlyArray<{ readonly stoppedAccounts?: ReadonlyArray<object> }>
      }
      return answer.workers.flatMap(({ stoppedAccounts = [] }) => stoppedAccounts)
    }
    await until("the sign of life names it", async () => (await stopped()).length > 0)
    expect(await stopped()).toEqual([
      { userId: "ann", problem: expect.stringMatching(/^account ann: revision \d+ cannot be read$/) }
    ])
    const metrics = await metricsApp((effect) => worker.runtime.runPromise(effect)).request("/metrics")
    expect(await metrics.text()).toMatch(/^purchase_ledger_accounts_stopped 1$/m)
  })

  it("an account that names a missing record is stopped after some seconds, and other accounts go on", async () => {
    await startForged('["ann","2",2,0,[],[],[1],2,0]')
    const asked = problemOf("/users/ann/total")
    const more = [await sellBob(2), await sellBob(3)]
    expect(mistakesAfter(await readAccount(system.ask, "bob"), [bob, ...more])).toEqual([])
    await asked
    await until("it has stopped", async () => (await problemOf("/users/ann/total")).status === 503, missingWait)
    expect(await problemOf("/users/ann/total")).toEqual(unreadable)
  })

  it("the read of an account ends if a revision names itself as an earlier revision", async () => {
    const next = async () => (await system.admin.commits(0)).at(-1)?.sequence ?? 0
    await startForged('["bob","x"]')
    await system.stopWorkers()
    await forge(`["ann","2",2,0,[],[],[${(await next()) + 1}],2,0]`)
    await system.startWorker()
    expect(await problemOf("/users/ann/total")).toEqual(unreadable)
  })
})
