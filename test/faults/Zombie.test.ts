import { Effect, Exit, Scope } from "effect"
import { connect, createInbox } from "nats"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { accountKey, ownerKey, positionKey, querySubject } from "../../src/domain/Subject.ts"
import { loneOfPartitionMax } from "../../src/ledger/LoneWrite.ts"
import type { CommitFailure } from "../../src/nats/LedgerBucket.ts"
import { runPartitionEpoch } from "../../src/partition/PartitionEpoch.ts"
import { holdCommits, makeGate } from "../support/Faults.ts"
import { exactJson, mistakesAfter, post, readAccount, receiptOf } from "../support/Shopper.ts"
import { manySold, type Sold, sold } from "../support/Sold.ts"
import { until } from "../support/TestBroker.ts"
import { TestProcess } from "../support/TestProcess.ts"
import { TestSystem } from "../support/TestSystem.ts"
import { Wire } from "../support/Wire.ts"

const lease = { WORKER_HEARTBEAT: "300 millis", WORKER_LEASE: "1 second" }
const user = "user"

describe("A worker that is frozen for longer than its lease, and wakes", () => {
  let system: TestSystem
  let wire: Wire
  let zombie: TestProcess | undefined

  beforeEach(async () => {
    system = await TestSystem.start({ PARTITIONS: "1", ...lease })
    wire = await Wire.tap(system.broker.url)
  })

  afterEach(async () => {
    await zombie?.kill()
    await wire.close()
    await system.stop()
  })

  const startZombie = (environment: Record<string, string> = {}) => {
    zombie = new TestProcess("worker", {
      NATS_URL: system.broker.url,
      WORKER_ID: "zombie",
      ...lease,
      ...environment
    })
    return zombie
  }

  /** The epoch that owns the partition: the revision of its owner's record. */
  const epochNow = async (): Promise<number> => {
    const found = await system.admin.api<{ readonly message: { readonly seq: number } }>("STREAM.MSG.GET.KV_ledger", {
      last_by_subj: `$KV.ledger.${ownerKey(0)}`
    })
    return found?.message.seq ?? 0
  }

  const expectExact = async (sales: ReadonlyArray<Sold>) => {
    await system.admin.untilApplied()
    const account = await readAccount(system.ask, user)
    expect(mistakesAfter(account, sales)).toEqual([])
    expect(account.entries.map(({ purchaseId }) => purchaseId)).toEqual(sales.map(({ purchaseId }) => purchaseId))
    const receipts = await Promise.all(sales.map(({ purchaseId }) => receiptOf(system.ask, user, purchaseId)))
    expect(receipts.filter(({ repeatsDropped }) => repeatsDropped !== 0)).toEqual([])
    const positions = await system.admin.positions(0)
    expect(positions).toEqual(positions.toSorted((one, other) => one - other))
  }

  it("in the middle of a commit, is refused by the guard, though nobody has touched its accounts", async () => {
    const [first, second, third] = manySold(user, 3)
    if (first === undefined || second === undefined || third === undefined) throw new Error("three are sold")
    const frozen = startZombie({ TEST_CRASH_POINT: "before-commit:3:freeze" })
    expect((await post(system.ask, first, { prefer: "wait=20" })).status).toBe(201)
    // The first purchase and its position are two commits of their own; in the third it freezes.
    await system.admin.untilApplied()
    const old = await epochNow()
    expect((await post(system.ask, second)).status).toBe(202)
    await frozen.untilFrozen()

    const held = holdCommits()
    const next = await system.startWorker(held.replace, { workerId: "next" })
    await until("another has its partition", () => next.worker.owned().length === 1)
    await until("the other is about to commit the same", () => held.hasLoaded(user))
    expect(await epochNow()).toBeGreaterThan(old)
    expect(await system.admin.revisions(user)).toBe(1)
    const isLate = ({ guard }: { readonly guard: number }) => guard === old
    expect(wire.commits.filter(isLate)).toEqual([
      { key: accountKey(user), guard: old, answer: 0 },
      { key: positionKey(0), guard: old, answer: 0 }
    ])

    frozen.wake()
    await until("its late commit is answered", () => wire.commits.filter(isLate)[2]?.answer !== undefined)
    expect(wire.commits.filter(isLate)[2]).toEqual({ key: accountKey(user), guard: old, answer: 10_071 })
    held.release()
    expect((await post(system.ask, third, { prefer: "wait=20" })).status).toBe(201)
    await expectExact([first, second, third])
    expect(await system.admin.revisions(user)).toBe(3)
  })

  it("in the middle of a batch without a guard, is refused by the expected revisions", async () => {
    const [first, second] = [sold(user, "first"), sold(user, "second")]
    // More of one partition than is written alone, also when one of them was; and the user's is the last.
    const others = Array.from({ length: loneOfPartitionMax + 4 }, (_, index) => `buyer-${index}`)
    const gate = makeGate()
    let isHeld = false
    let late: Exit.Exit<number, CommitFailure> | undefined
    await system.startWorker({
      bucket: (real) => ({
        ...real,
        commit: (writes) =>
          Effect.suspend(() => {
            const isBatch = writes.some(({ key, expected }) => key === accountKey(user) && expected !== undefined)
            if (!isBatch || isHeld) return real.commit(writes)
            isHeld = true
            const unguarded = writes.map(({ key, value, expected }) => ({
              key,
              value,
              ...(expected === undefined ? {} : { expected })
            }))
            return Effect.andThen(gate.pass, real.commit(unguarded)).pipe(
              Effect.onExit((exit) => Effect.sync(() => void (late = exit)))
            )
          })
      })
    })
    // Actors that have their accounts decide in one turn, and so together.
    for (const bought of [...others.map((buyer) => sold(buyer, "first")), first]) {
      expect((await post(system.ask, bought, { prefer: "wait=20" })).status).toBe(201)
    }
    await system.publish([...others.map((buyer) => sold(buyer, "second")), second])
    await until("the commit is under way", () => isHeld)

    // No partition is assigned to this one, and it leaves the old one's consumer, so that the old one does not hear of it.
    const next = await system.startWorker(
      { consumer: (real) => ({ ...real, deleteBefore: () => Effect.void }) },
      { workerId: "next" }
    )
    const scope = Effect.runSync(Scope.make())
    await next.runtime.runPromise(
      Scope.provide(runPartitionEpoch({ worker: "next", partition: 0, partitions: 1 }), scope)
    )
    await system.admin.untilApplied()
    expect(await system.admin.revisions(user)).toBe(2)
    gate.open()
    await until("the late commit is answered", () => late !== undefined)
    expect(late !== undefined && Exit.findErrorOption(late)).toMatchObject({ value: { _tag: "CommitConflict" } })
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await expectExact([first, second])
    expect(await system.admin.revisions(user)).toBe(2)
  })

  it("leaves no read that it was asked without a reply, and answers none with what is old", async () => {
    const sales = manySold(user, 12)
    const frozen = startZombie()
    for (const sale of sales.slice(0, 2)) {
      expect((await post(system.ask, sale, { prefer: "wait=20" })).status).toBe(201)
    }
    const old = await epochNow()
    await frozen.freeze()

    // Asked past the edge, to hear everybody who answers: each with how many were acknowledged before it was asked.
    const client = await connect({ servers: system.broker.url })
    const answers: Array<{ readonly least: number; readonly count: number | undefined }> = []
    const ask = async (least: number) => {
      const reply = createInbox()
      client.subscribe(reply, {
        callback: (_error, message) => {
          if (message.headers?.code === 503) return
          const text = message.string()
          answers.push({ least, count: text === "" ? undefined : exactJson(text)[0].count })
        }
      })
      const questions = [{ kind: "total", userId: user }]
      client.publish(querySubject(0), JSON.stringify({ consistency: "strong", questions }), { reply })
      await client.flush()
    }
    expect((await post(system.ask, sold(user, "between"))).status).toBe(202)
    await ask(3)

    const next = await system.startWorker({}, { workerId: "next" })
    await until("another has its partition", () => next.worker.owned().length === 1)
    for (const sale of sales.slice(2)) {
      expect((await post(system.ask, sale, { prefer: "wait=20" })).status).toBe(201)
    }
    await ask(13)
    await until("the other has answered", () => answers.length === 1)
    expect(answers).toEqual([{ least: 13, count: 13 }])

    frozen.wake()
    await until("it has answered both that it was asked", () => answers.length === 3)
    expect(answers.filter(({ least, count }) => count !== undefined && count < least)).toEqual([])
    await until("it works again", async () => (await epochNow()) > old)
    await client.close()
    await expectExact([...sales.slice(0, 2), sold(user, "between"), ...sales.slice(2)])
  })
})
