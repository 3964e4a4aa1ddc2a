import { Effect, Exit } from "effect"
import { describe, expect, it } from "vitest"
import { type BrokerFailure, OutcomeUnknown } from "../../src/protocol/BrokerError.ts"
import { revisionLineOf } from "../../src/protocol/Commit.ts"
import { encodeToken } from "../../src/protocol/Subject.ts"
import type { CommitChain } from "../../src/nats/CommitChain.ts"
import type { CommitConflict } from "../../src/nats/client/ConditionalAppend.ts"
import { mistakesInChain } from "../support/ChainOrder.ts"
import { isCommit, makeGate } from "../support/Faults.ts"
import { mistakesAfter, post, readAccount, receiptOf } from "../../src/harness/system/Shopper.ts"
import { manySold, type Sold, sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import type { Replacements } from "../../src/harness/system/TestLedger.ts"
import { TestSystem, userIn } from "../../src/harness/system/TestSystem.ts"

type Chain = (typeof CommitChain)["Service"]

const unknown = Effect.fail(new OutcomeUnknown({ operation: "commit", reason: "a test lost the reply" }))

/** Returns whether a commit holds a revision of a user. */
const holds = (text: string, user: string): boolean =>
  isCommit(text) && revisionLineOf(text, encodeToken(user)) !== undefined

/** An append that a test holds back, and the outcome of the append after it is sent. */
class LateAppend {
  outcome: Exit.Exit<number, BrokerFailure | CommitConflict> | undefined
  isKept = false
  private waiting: Effect.Effect<number, BrokerFailure | CommitConflict> | undefined

  /** Holds an append back, and reports an unknown outcome. */
  keep(append: Effect.Effect<number, BrokerFailure | CommitConflict>) {
    return Effect.suspend(() => {
      this.isKept = true
      this.waiting = append
      return unknown
    })
  }

  /** Sends the append that is held back, if there is one. */
  readonly send = Effect.suspend(() => {
    const append = this.waiting
    this.waiting = undefined
    return append === undefined
      ? Effect.void
      : Effect.map(Effect.exit(append), (outcome) => void (this.outcome = outcome))
  })

  get tag(): string {
    if (this.outcome === undefined) return "not sent"
    const failure = Exit.findErrorOption(this.outcome)
    return failure._tag === "Some" ? failure.value._tag : "stored"
  }
}

/** The moments at which a late message may arrive. */
type Moment =
  | "before the next epoch reads the chain"
  | "after the next epoch has read the chain"
  | "after the take-over record of the next epoch"
  | "after the first commit of the next epoch"

/** Sends the late append at one moment of the next epoch of partition 0. */
const sendingAt = (real: Chain, late: LateAppend, moment: Moment): Chain => ({
  ...real,
  newest: (partition) =>
    partition === 0 && moment === "before the next epoch reads the chain"
      ? Effect.andThen(late.send, real.newest(partition))
      : real.newest(partition),
  append: (partition, text, after) => {
    const appended = real.append(partition, text, after)
    if (partition !== 0) return appended
    if (isCommit(text))
      return moment === "after the first commit of the next epoch" ? Effect.tap(appended, () => late.send) : appended
    if (moment === "after the next epoch has read the chain") return Effect.andThen(late.send, appended)
    return moment === "after the take-over record of the next epoch" ? Effect.tap(appended, () => late.send) : appended
  }
})

describe("An append whose outcome is unknown", () => {
  const system = startedBeforeEach(() => TestSystem.start({ PARTITIONS: "2" }))

  const postAll = async (sales: ReadonlyArray<Sold>) => {
    // The purchases are stored one after the other, so that each has its own commit.
    for (const sale of sales) expect((await post(system.ask, sale, { prefer: "wait=20" })).status).toBe(201)
  }

  const expectExact = async (user: string, sales: ReadonlyArray<Sold>) => {
    expect(mistakesAfter(await readAccount(system.ask, user), sales)).toEqual([])
    const receipts = await Promise.all(sales.map(({ purchaseId }) => receiptOf(system.ask, user, purchaseId)))
    expect(receipts.filter(({ repeatsDropped }) => repeatsDropped !== 0)).toEqual([])
    expect(mistakesInChain(await system.admin.commits(system.partitionOf(user)))).toEqual([])
  }

  describe("of a commit", () => {
    it("a commit of unknown outcome is not stored again if the broker had stored it", async () => {
      let commits = 0
      let lost = 0
      await system.startWorker({
        chain: (real) => ({
          ...real,
          append: (partition, text, after) =>
            Effect.suspend(() => {
              const appended = real.append(partition, text, after)
              if (!holds(text, "user")) return appended
              commits += 1
              if (commits % 3 !== 0) return appended
              lost += 1
              return Effect.andThen(appended, unknown)
            })
        })
      })
      const sales = manySold("user", 8)
      await postAll(sales)
      expect(lost).toBe(2)
      await expectExact("user", sales)
      expect(await system.admin.revisions("user")).toBe(8)
      expect(await system.admin.epochs(system.partitionOf("user"))).toHaveLength(3)
    })

    it("a commit of unknown outcome is stored in the next epoch if the broker had not stored it", async () => {
      let commits = 0
      await system.startWorker({
        chain: (real) => ({
          ...real,
          append: (partition, text, after) =>
            Effect.suspend(() => {
              if (!holds(text, "user")) return real.append(partition, text, after)
              commits += 1
              return commits % 3 === 0 ? unknown : real.append(partition, text, after)
            })
        })
      })
      const sales = manySold("user", 8)
      await postAll(sales)
      // Every third attempt is lost, so that eight commits take eleven attempts.
      expect(commits).toBe(11)
      await expectExact("user", sales)
      expect(await system.admin.revisions("user")).toBe(8)
    })

    it.each<[Moment, string]>([
      ["before the next epoch reads the chain", "stored"],
      ["after the next epoch has read the chain", "stored"],
      ["after the take-over record of the next epoch", "CommitConflict"],
      ["after the first commit of the next epoch", "CommitConflict"]
    ])("a commit of unknown outcome that comes late counts once, %s", async (moment, outcome) => {
      const user = userIn(0, 2, "late")
      const late = new LateAppend()
      await system.startWorker({
        chain: (real) => {
          const sending = sendingAt(real, late, moment)
          return {
            ...sending,
            append: (partition, text, after) =>
              Effect.suspend(() =>
                holds(text, user) && !late.isKept
                  ? late.keep(real.append(partition, text, after))
                  : sending.append(partition, text, after)
              )
          }
        }
      })
      const sales = manySold(user, 2)
      await postAll(sales)
      await until("the late commit was answered", () => late.outcome !== undefined)
      expect(late.tag).toBe(outcome)
      await expectExact(user, sales)
      expect(await system.admin.revisions(user)).toBe(2)
      expect(await system.admin.epochs(0)).toHaveLength(2)
    })

    it("a commit of unknown outcome in one partition leaves room for the actors of other partitions", async () => {
      const [first, second] = [userIn(0, 2, "first"), userIn(1, 2, "second")]
      const gate = makeGate()
      let commits = 0
      await system.startWorker(
        {
          chain: (real) => ({
            ...real,
            append: (partition, text, after) =>
              Effect.suspend(() => {
                const appended = real.append(partition, text, after)
                if (!isCommit(text)) return appended
                commits += 1
                return commits > 1 ? appended : appended.pipe(Effect.andThen(gate.pass), Effect.andThen(unknown))
              })
          })
        },
        { actorsResidentMax: 1 }
      )
      const sales = [sold(first, "one"), sold(second, "one")]
      for (const sale of sales) await system.publish([sale])
      // The partition may have a second consumer if the broker was slow to create the first consumer.
      const isDelivered = async () =>
        (await system.admin.consumers()).some(
          ({ name, delivered }) => name.startsWith("p1-") && delivered.stream_seq === 2
        )
      await until("the second one waits for a place", isDelivered)
      gate.open()
      await system.admin.untilApplied()
      for (const sale of sales) expect(mistakesAfter(await readAccount(system.ask, sale.userId), [sale])).toEqual([])
    })
  })

  describe("of a take-over record", () => {
    const user = userIn(0, 2, "taken")
    const sales = manySold(user, 3)

    /**
     * Makes the second take-over of partition 0 end as the test wants. A commit with an unknown outcome leads to the
     * second take-over.
     */
    const atSecondTakeOver = (outcome: (append: ReturnType<Chain["append"]>) => ReturnType<Chain["append"]>) => {
      let takeOvers = 0
      let commits = 0
      return (real: Chain): Chain => ({
        ...real,
        append: (partition, text, after) =>
          Effect.suspend(() => {
            const appended = real.append(partition, text, after)
            if (partition !== 0) return appended
            if (isCommit(text)) {
              commits += 1
              return commits === 2 ? Effect.andThen(appended, unknown) : appended
            }
            takeOvers += 1
            return takeOvers === 2 ? outcome(appended) : appended
          })
      })
    }

    it("a take-over record of unknown outcome leads to a second record if the broker had stored the first", async () => {
      await system.startWorker({ chain: atSecondTakeOver((append) => Effect.andThen(append, unknown)) })
      await postAll(sales)
      await expectExact(user, sales)
      expect(await system.admin.revisions(user)).toBe(3)
      expect(await system.admin.epochs(0)).toHaveLength(3)
    })

    it("a take-over record of unknown outcome is tried again if the broker had not stored it", async () => {
      await system.startWorker({ chain: atSecondTakeOver(() => unknown) })
      await postAll(sales)
      await expectExact(user, sales)
      expect(await system.admin.revisions(user)).toBe(3)
      expect(await system.admin.epochs(0)).toHaveLength(2)
    })

    it.each<[Moment, string, number]>([
      ["before the next epoch reads the chain", "stored", 3],
      ["after the next epoch has read the chain", "stored", 3],
      ["after the take-over record of the next epoch", "CommitConflict", 2],
      ["after the first commit of the next epoch", "CommitConflict", 2]
    ])("a take-over record that comes late is harmless, %s", async (moment, outcome, epochs) => {
      const late = new LateAppend()
      const lossy = atSecondTakeOver((append) => late.keep(append))
      await system.startWorker({ chain: (real) => lossy(sendingAt(real, late, moment)) })
      await postAll(sales)
      await until("the late record was answered", () => late.outcome !== undefined)
      expect(late.tag).toBe(outcome)
      await expectExact(user, sales)
      expect(await system.admin.revisions(user)).toBe(3)
      expect(await system.admin.epochs(0)).toHaveLength(epochs)
    })
  })

  describe("of records that a commit names", () => {
    /** Loses the answers to the first writes, which are stored or not. */
    const losing = (isMade: boolean, times: number) => {
      let written = 0
      return {
        write: <A, E>(real: Effect.Effect<A, E>): Effect.Effect<A, E | OutcomeUnknown> =>
          Effect.suspend(() => {
            written += 1
            if (written > times) return real
            return isMade ? Effect.andThen(real, unknown) : unknown
          }),
        written: () => written
      }
    }

    it.each([
      ["was made", true],
      ["was not made", false]
    ])("a segment whose answer is lost and that %s leaves the account whole", async (_how, isMade) => {
      const lost = losing(isMade, 2)
      const replace: Replacements = {
        chain: (real) => ({ ...real, seal: (partition, text) => lost.write(real.seal(partition, text)) })
      }
      await system.startWorker(replace)
      const sales = manySold("sealed", 300)
      await system.publish(sales)
      await system.admin.untilApplied()
      const more = manySold("sealed", 5, "more")
      for (const sale of more) {
        await system.publish([sale])
        await system.admin.untilApplied()
      }
      await until("the segment is stored", () => lost.written() >= 3)
      await system.publish([sold("sealed", "last")])
      await system.publish(sales.slice(0, 1))
      await system.admin.untilApplied()
      await system.stopWorkers()
      await system.startWorker()
      const all = [...sales, ...more, sold("sealed", "last")]
      expect(mistakesAfter(await readAccount(system.ask, "sealed"), all)).toEqual([])
      expect(await receiptOf(system.ask, "sealed", "p1")).toMatchObject({ repeatsDropped: 1, conflictsRejected: 0 })
      expect(await receiptOf(system.ask, "sealed", "p2")).toMatchObject({ repeatsDropped: 0, conflictsRejected: 0 })
    })

    it.each([
      ["was made", true],
      ["was not made", false]
    ])("a record of a conflict whose answer is lost and that %s is one record, counted once", async (_how, isMade) => {
      const lost = losing(isMade, 2)
      await system.startWorker({
        rejected: (real) => ({ ...real, record: (rejection) => lost.write(real.record(rejection)) })
      })
      const sale = sold("clash", "one")
      await system.publish([sale])
      const [conflict = 0] = await system.publish([sold("clash", "one", { quantity: 9 })])
      await system.admin.untilApplied()
      expect(lost.written()).toBe(3)
      expect(await system.admin.keys("rejected.>")).toEqual({ [`rejected.${conflict}.0`]: 1 })
      expect(await receiptOf(system.ask, "clash", "one")).toMatchObject({ repeatsDropped: 0, conflictsRejected: 1 })
      expect(mistakesAfter(await readAccount(system.ask, "clash"), [sale])).toEqual([])
    })

    it.each([
      ["was made", true],
      ["was not made", false]
    ])("a record of an unreadable message whose answer is lost and that %s is one record", async (_how, isMade) => {
      const lost = losing(isMade, 2)
      await system.startWorker({
        rejected: (real) => ({ ...real, record: (rejection) => lost.write(real.record(rejection)) })
      })
      const unreadable = await system.admin.publish("purchases.0.x", "{")
      await system.admin.untilApplied()
      expect(lost.written()).toBe(3)
      expect(await system.admin.keys("rejected.>")).toEqual({ [`rejected.${unreadable}.0`]: 1 })
    })
  })
})
