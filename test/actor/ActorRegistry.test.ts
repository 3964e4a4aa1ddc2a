import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Effect, Exit, Latch, Layer, ManagedRuntime, Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { ActorRegistry, type EpochActors } from "../../src/actor/ActorRegistry.ts"
import { loadingMax } from "../../src/actor/ActorSlots.ts"
import { type Account, emptyAccount } from "../../src/account/Account.ts"
import type { Purchase } from "../../src/account/Purchase.ts"
import { AccountReader } from "../../src/ledger/AccountReader.ts"
import type { RevisionProposal } from "../../src/ledger/ProposalQueue.ts"
import { InputProgress } from "../../src/ledger/InputProgress.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { RejectedRecords } from "../../src/nats/RejectedRecords.ts"
import { sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"

/** A registry whose actors load at once unless the test holds them. The proposals of these actors wait for the test. */
const makeRegistry = (settings: { readonly residentMax: number; readonly idleMilliseconds?: number }) => {
  const proposals: Array<RevisionProposal<number>> = []
  let loads = 0
  const mayLoad = Latch.makeUnsafe(true)
  const load = () =>
    Effect.suspend(() => {
      loads += 1
      return Effect.as(mayLoad.await, emptyAccount())
    })
  const submit = (proposal: RevisionProposal<number>) => void proposals.push(proposal)
  const runtime = ManagedRuntime.make(
    ActorRegistry.layer({ idleMilliseconds: 3_600_000, purchaseIdsMax: 1_000_000, ...settings }).pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          Layer.mock(AccountReader, { load }),
          Layer.mock(CommitChain, { at: () => Effect.undefined }),
          Layer.mock(RejectedRecords, {})
        )
      )
    )
  )
  return { runtime, submit, proposals, mayLoad, loads: () => loads }
}

/** The input of a partition epoch, and the reports of its actors. */
class TestEpoch {
  readonly progress = new InputProgress<number>(0)
  readonly failures: Array<string> = []
  private received = 0

  /** The next message of the input log. */
  receive() {
    this.received += 1
    return this.progress.receive(this.received, 1, this.received)
  }
}

describe("ActorRegistry", () => {
  let made: ReturnType<typeof makeRegistry>
  let registry: (typeof ActorRegistry)["Service"]
  let scope: Scope.Closeable
  let epoch: TestEpoch
  let actors: EpochActors<number>
  /**
   * The indexes of the committed proposals. An actor is its own proposal, so the actor's one object is proposed again
   * and again.
   */
  let committed: Set<number>

  const open = async (settings: Parameters<typeof makeRegistry>[0], mailboxMax = 10) => {
    made = makeRegistry(settings)
    registry = await made.runtime.runPromise(Effect.service(ActorRegistry))
    actors = await beginEpoch(epoch, scope, mailboxMax)
  }

  const beginEpoch = (of: TestEpoch, within: Scope.Closeable, mailboxMax = 10) =>
    made.runtime.runPromise(
      Effect.provideService(
        registry.forEpoch<number>({
          partition: 0,
          writer: { submit: made.submit },
          // Every user has a revision, because an account without a revision is not read.
          headOf: () => 1,
          reads: { begun: () => undefined, ended: () => undefined },
          failed: (reason) => void of.failures.push(reason),
          mailboxMax,
          applied: () => undefined,
          conflict: () => undefined,
          reversalsRefused: () => undefined,
          unreadable: () => undefined,
          refused: () => undefined
        }),
        Scope.Scope,
        within
      )
    )

  beforeEach(() => {
    scope = Effect.runSync(Scope.make())
    epoch = new TestEpoch()
    committed = new Set()
  })

  afterEach(async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await made.runtime.dispose()
  })

  const deliveriesOf = (user: string, id: string, inputSequence: number) => {
    const { valueCents, ...rest } = sold(user, id)
    const purchase = { ...rest, valueCents: BigInt(valueCents) } as unknown as Purchase
    return [{ purchase, inputSequence, inputIndex: 0, storedAt: 0 }]
  }

  /** Gives an actor one purchase. Returns whether there was room. */
  const sell = (user: string, id: string, to = actors): boolean => {
    const message = epoch.receive()
    return to.tell(user, { kind: "purchases", deliveries: deliveriesOf(user, id, message.sequence), message })
  }

  /** Gives an actor one purchase. Returns whether there was room, and how many actors are in memory after that. */
  const sellNow = (user: string, id: string, to = actors) => {
    const sold = sell(user, id, to)
    return { sold, resident: registry.resident() }
  }

  const proposalsAre = (count: number) => until(`${count} proposals`, () => made.proposals.length === count)
  /**
   * Commits the oldest proposal of a user that is not committed. Takes the line of the revision first, as the writer
   * does.
   */
  const commitOf = (user: string) => {
    const index = made.proposals.findIndex((one, at) => one.userToken === user && !committed.has(at))
    if (index < 0) throw new Error(`no proposal of ${user} waits`)
    committed.add(index)
    made.proposals[index]?.line()
    made.proposals[index]?.committed(10 * committed.size)
  }

  const look = (user: string, to = actors): Promise<Account> =>
    new Promise((resolve, reject) => {
      if (!to.tell(user, { kind: "look", look: resolve })) reject(new Error("no room"))
    })

  it("a full mailbox refuses purchases, and takes purchases again when its actor has taken envelopes", async () => {
    await open({ residentMax: 10 }, 2)
    expect(sell("ann", "1")).toBe(true)
    await proposalsAre(1)
    expect({ second: sell("ann", "2"), third: sell("ann", "3"), fourth: sell("ann", "4") }).toEqual({
      second: true,
      third: true,
      fourth: false
    })

    commitOf("ann")
    await proposalsAre(2)
    expect(sell("ann", "4")).toBe(true)
    commitOf("ann")
    await proposalsAre(3)
    commitOf("ann")
    expect((await look("ann")).count).toBe(4)
    expect(made.loads()).toBe(1)
  })

  it("an actor keeps nothing of its past work in memory while it waits for more work", async () => {
    setFlagsFromString("--expose-gc")
    const collect: () => void = runInNewContext("gc")
    await open({ residentMax: 10 })
    const deliveries = (() => {
      const given = deliveriesOf("ann", "1", 1)
      actors.tell("ann", { kind: "purchases", deliveries: given, message: epoch.receive() })
      return new WeakRef(given)
    })()
    await proposalsAre(1)
    commitOf("ann")
    made.proposals.pop()
    await until("the collector has taken it", () => {
      collect()
      return deliveries.deref() === undefined
    })
    expect((await look("ann")).count).toBe(1)
  })

  it("an actor answers a question when everything that came before the question is committed", async () => {
    await open({ residentMax: 10 })
    sell("ann", "1")
    await proposalsAre(1)
    let seen: number | undefined
    actors.tell("ann", { kind: "look", look: ({ count }) => (seen = count) })
    sell("ann", "2")
    commitOf("ann")
    await proposalsAre(2)
    expect(seen).toBeUndefined()
    commitOf("ann")
    await until("the look is answered", () => seen !== undefined)
    expect(seen).toBe(2)
  })

  it("in a full registry, an actor without work makes room for another actor, and an actor with work stays", async () => {
    await open({ residentMax: 2 })
    sell("ann", "1")
    sell("ben", "1")
    await proposalsAre(2)
    expect(sellNow("cat", "1")).toEqual({ sold: false, resident: 2 })

    const room = made.runtime.runPromise(registry.room)
    commitOf("ben")
    await room
    expect(sellNow("cat", "1")).toEqual({ sold: true, resident: 2 })

    await proposalsAre(3)
    commitOf("cat")
    commitOf("ann")
    // Ben was passivated and is loaded again. Ben's actor has the slot that Ann's or Cat's actor had.
    expect((await look("ben")).count).toBe(0)
    expect({ loads: made.loads(), resident: registry.resident() }).toEqual({ loads: 4, resident: 2 })
  })

  it("the registry loads a bounded number of accounts at once, and begins the next load when a load has ended", async () => {
    await open({ residentMax: 10 * loadingMax })
    made.mayLoad.closeUnsafe()
    const users = Array.from({ length: loadingMax }, (_, user) => `user${user}`)
    expect(users.every((user) => sell(user, "1"))).toBe(true)
    expect(sellNow("user0", "2")).toEqual({ sold: true, resident: loadingMax })
    expect(sellNow("one more", "1")).toEqual({ sold: false, resident: loadingMax })

    const room = made.runtime.runPromise(registry.room)
    made.mayLoad.openUnsafe()
    await room
    expect(sell("one more", "1")).toBe(true)

    await proposalsAre(loadingMax + 1)
    made.mayLoad.closeUnsafe()
    const others = users.map((user) => `other ${user}`)
    expect(others.every((user) => sell(user, "1"))).toBe(true)
    expect(sell("two more", "1")).toBe(false)
    const again = made.runtime.runPromise(registry.room)
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await again
    const otherScope = Effect.runSync(Scope.make())
    const other = await beginEpoch(new TestEpoch(), otherScope)
    expect(sellNow("two more", "1", other)).toEqual({ sold: true, resident: 1 })
    await Effect.runPromise(Scope.close(otherScope, Exit.void))
  })

  it("when an epoch ends, the registry gives the room of its actors to other epochs", async () => {
    await open({ residentMax: 1 })
    sell("ann", "1")
    await proposalsAre(1)
    const otherScope = Effect.runSync(Scope.make())
    const other = await beginEpoch(new TestEpoch(), otherScope)
    expect(sell("ben", "1", other)).toBe(false)
    const room = made.runtime.runPromise(registry.room)
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await room
    expect(sellNow("ben", "1", other)).toEqual({ sold: true, resident: 1 })
    await Effect.runPromise(Scope.close(otherScope, Exit.void))
    expect(registry.resident()).toBe(0)
  })

  it("the registry passivates an actor that is idle for a while, and no actor that has work", async () => {
    await open({ residentMax: 10, idleMilliseconds: 20 })
    sell("busy", "1")
    await look("idle")
    await until("one is passivated", () => registry.resident() === 1)
    await proposalsAre(1)
    commitOf("busy")
    await until("the other is passivated too", () => registry.resident() === 0)
    expect(made.loads()).toBe(2)
  })
})
