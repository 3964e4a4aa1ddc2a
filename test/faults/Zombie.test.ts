import { Effect, Option } from "effect"
import { createInbox } from "nats"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { decodeManifest, type HeadManifest } from "../../src/protocol/HeadManifest.ts"
import { headsStream, headsSubject, querySubject } from "../../src/protocol/Subject.ts"
import { inboxPrefixOf } from "../../src/nats/client/BrokerRole.ts"
import { holdCommits } from "../support/Faults.ts"
import { exactJson, mistakesAfter, post, readAccount, receiptOf } from "../../src/harness/system/Shopper.ts"
import { manySold, type Sold, sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { connectAs } from "../../src/harness/system/TestKeys.ts"
import { TestProcess } from "../../src/harness/system/TestProcess.ts"
import type { Replacements } from "../../src/harness/system/TestLedger.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { type SentCommit, Wire } from "../support/Wire.ts"

const lease = { WORKER_HEARTBEAT: "300 millis", WORKER_LEASE: "1 second" }
const user = "user"
/**
 * The workers write heads after every fourth revision. After the first write, the writes are hints, because only one
 * user changes.
 */
const headsRevisions = { TEST_HEADS_REVISIONS: "4" }
const crowd = Array.from({ length: 12 }, (_, index) => sold(`buyer-${index}`, "p1"))

const steps = [
  "before-commit:2",
  "commit-sent:2",
  "committed:2",
  "segment-sent:1",
  "segment-stored:1",
  "hint-sent:1",
  "hint-stored:1",
  "base-sent:1",
  "base-stored:1",
  "manifest-sent:1",
  "manifest-stored:2",
  "heads-purged:1"
]

/**
 * The services of a new owner that does not delete the old owner's consumer. With these services, the old owner does
 * not notice the take-over, and goes on.
 */
const unheard: Replacements = { consumer: (real) => ({ ...real, deleteBefore: () => Effect.void }) }

describe("A worker that is frozen for longer than its lease, and wakes", () => {
  const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: "1", ...lease, ...headsRevisions }))
  let wire: Wire
  let zombie: TestProcess | undefined

  beforeEach(async () => {
    wire = await Wire.tap(system.broker.url)
  })

  afterEach(async () => {
    await zombie?.kill()
    await wire.close()
  })

  const startZombie = (environment: Record<string, string> = {}) => {
    zombie = new TestProcess("worker", {
      NATS_URL: system.broker.url,
      WORKER_ID: "zombie",
      ...lease,
      ...headsRevisions,
      ...environment
    })
    return zombie
  }

  /** The epoch that owns the partition: the sequence of its newest take-over record. */
  const epochNow = async (): Promise<number> => (await system.admin.epochs(0)).at(-1) ?? 0

  /** The commits that an epoch sent, with the answers of the broker. */
  const sentBy = (epoch: number): ReadonlyArray<SentCommit> =>
    wire.commits.filter((sent) => sent.kind === "commit" && sent.epoch === epoch)

  /** Expects each commit of the chain to be of the epoch whose take-over record is the newest before it. */
  const expectOneOwner = async () => {
    let epoch = 0
    for (const commit of await system.admin.commits(0)) {
      if (commit.kind === "takeover") epoch = commit.sequence
      else expect(commit.epoch).toBe(epoch)
    }
    const positions = await system.admin.positions(0)
    expect(positions).toEqual(positions.toSorted((one, other) => one - other))
  }

  const expectExact = async (sales: ReadonlyArray<Sold>, repeats = 0) => {
    await system.admin.untilApplied()
    const [first] = sales
    if (first === undefined) return expect.unreachable()
    const account = await readAccount(system.ask, first.userId)
    expect(mistakesAfter(account, sales)).toEqual([])
    expect(account.entries.map(({ purchaseId }) => purchaseId)).toEqual(sales.map(({ purchaseId }) => purchaseId))
    const receipts = await Promise.all(sales.map(({ purchaseId }) => receiptOf(system.ask, first.userId, purchaseId)))
    expect(receipts.filter(({ repeatsDropped }) => repeatsDropped !== repeats)).toEqual([])
    await expectOneOwner()
  }

  /** Expects an owner that begins with the heads that are stored now to know all purchases. */
  const expectKnown = async (sales: ReadonlyArray<Sold>) => {
    await zombie?.kill()
    await system.stopWorkers()
    await system.startWorker({}, { workerId: "last" })
    await system.publish([...crowd, ...sales])
    await expectExact(sales, 1)
    for (const sale of crowd) await expectExact([sale], 1)
  }

  it("if a worker is frozen past its lease in the middle of a commit, the late commit is refused", async () => {
    const [first, second, third] = manySold(user, 3)
    if (first === undefined || second === undefined || third === undefined) return expect.unreachable()
    const frozen = startZombie({ TEST_CRASH_POINT: "before-commit:2:freeze" })
    expect((await post(system.ask, first, { prefer: "wait=20" })).status).toBe(201)
    const old = await epochNow()
    const stored = (await system.admin.commits(0)).at(-1)
    expect((await post(system.ask, second)).status).toBe(202)
    await frozen.untilFrozen()

    const held = holdCommits()
    const next = await system.startWorker(held.replace, { workerId: "next" })
    await until("another has its partition", () => next.worker.owned().length === 1)
    await until("the other is about to commit the same", () => held.held.length === 1)
    expect(await epochNow()).toBeGreaterThan(old)
    expect(await system.admin.revisions(user)).toBe(1)
    expect(sentBy(old)).toMatchObject([{ users: [user], after: old, answer: 0 }])

    frozen.wake()
    await until("its late commit is answered", () => sentBy(old)[1]?.answer !== undefined)
    expect(sentBy(old)[1]).toMatchObject({ users: [user], after: stored?.sequence, answer: 10_071 })
    held.release()
    expect((await post(system.ask, third, { prefer: "wait=20" })).status).toBe(201)
    await expectExact([first, second, third])
    expect(await system.admin.revisions(user)).toBe(3)
  })

  /**
   * Stores purchases, each applied before the next, until the worker freezes. After the freeze, stores one more
   * purchase, which the worker has not read.
   */
  const sellUntilFrozen = async (frozen: TestProcess): Promise<ReadonlyArray<Sold>> => {
    const sales: Array<Sold> = []
    const sellOne = async () => {
      const sale = sold(user, `p${sales.length + 1}`, { valueCents: 100 + sales.length })
      sales.push(sale)
      const [sequence = 0] = await system.publish([sale])
      return async () => frozen.isFrozen || (await system.admin.position(0)) >= sequence
    }
    while (!frozen.isFrozen) await until("it is applied, or the worker is frozen", await sellOne())
    await sellOne()
    return sales
  }

  it.each(steps)(
    "a worker that is frozen at %s has its late commits refused, and its late heads do no harm",
    async (step) => {
      await system.publish(crowd)
      const frozen = startZombie({ TEST_CRASH_POINT: `${step}:freeze` })
      await system.admin.untilApplied()
      const old = await epochNow()
      const sales = await sellUntilFrozen(frozen)

      const next = await system.startWorker(unheard, { workerId: "next" })
      await until("another has its partition", () => next.worker.owned().length === 1)
      await system.admin.untilApplied()
      const taken = () =>
        wire.commits.find(({ kind, worker, answer }) => kind === "takeover" && worker === "next" && answer === 0)
      await until("its take-over is heard", () => taken() !== undefined)
      const before = sentBy(old).length

      frozen.wake()
      const late = () => sentBy(old).slice(before)
      await until("a late commit is answered", () => late().some(({ answer }) => answer !== undefined))
      await expectExact(sales)
      expect(late().map(({ answer }) => answer)).toEqual(late().map(() => 10_071))
      for (const sale of crowd) await expectExact([sale])
      await expectKnown(sales)
    }
  )

  const manifestNow = async (): Promise<HeadManifest | undefined> => {
    const query = { last_by_subj: headsSubject(0, "manifest") }
    const found = await system.admin.api<{ readonly message: { readonly data: string } }>(
      `STREAM.MSG.GET.${headsStream}`,
      query
    )
    return found && decodeManifest(Buffer.from(found.message.data, "base64").toString("utf8"))
  }

  it("an owner that begins with the late manifest of a worker that woke knows all purchases", async () => {
    await system.publish(crowd)
    const frozen = startZombie({ TEST_CRASH_POINT: "base-stored:1:freeze" })
    await system.admin.untilApplied()
    const sales = await sellUntilFrozen(frozen)
    const next = await system.startWorker({}, { workerId: "next", testHeadsRevisions: Option.none() })
    await until("another has its partition", () => next.worker.owned().length === 1)
    await system.admin.untilApplied()
    expect(await manifestNow()).toBeUndefined()
    frozen.wake()
    await until("its manifest is there", async () => (await manifestNow()) !== undefined)
    expect((await manifestNow())?.through).toBeLessThan((await system.admin.epochs(0))[1] ?? 0)
    await expectExact(sales)
    await expectKnown(sales)
  })

  it("a worker that wakes answers no read with old data, and every read gets a reply", async () => {
    const sales = manySold(user, 12)
    const frozen = startZombie()
    for (const sale of sales.slice(0, 2)) {
      expect((await post(system.ask, sale, { prefer: "wait=20" })).status).toBe(201)
    }
    const old = await epochNow()
    await frozen.freeze()

    // Asks past the edge, to get the answers of all workers. Each answer comes with the number of purchases that were
    // acknowledged before the question.
    const client = await connectAs("admin", system.broker.url)
    const answers: Array<{ readonly least: number; readonly count: number | undefined }> = []
    const ask = async (least: number) => {
      const reply = createInbox(inboxPrefixOf("admin"))
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
