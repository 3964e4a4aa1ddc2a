import { it } from "@effect/vitest"
import { Deferred, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import type { Account, Delivered } from "../../src/account/Account.ts"
import type { PurchaseId, UserId } from "../../src/account/Identifier.ts"
import { type ActorRequests, makeActorRequests } from "../../src/actor/ActorRequests.ts"
import { AccountReader } from "../../src/ledger/AccountReader.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { RejectedRecords } from "../../src/nats/RejectedRecords.ts"
import { type BrokerFailure, BrokerUnavailable } from "../../src/protocol/BrokerError.ts"
import { AccountLedger } from "../support/AccountLedger.ts"
import { MemoryJournal } from "../support/MemoryJournal.ts"

const partition = 0
const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

const purchaseOf = (userToken: string, id: number, inputSequence: number): Delivered => ({
  purchase: {
    purchaseId: `p${id}` as PurchaseId,
    userId: userToken as UserId,
    productName: "Desk",
    productType: "Office",
    valueCents: 100n,
    quantity: 1
  },
  inputSequence,
  inputIndex: 0,
  storedAt: 10_000
})

/** A journal whose reads wait for the test, and the loads of an epoch's actors. */
class Loads {
  readonly journal = new MemoryJournal()
  readonly read: Array<number> = []
  readonly loaded = new Map<string, number>()
  readonly problems: Array<string> = []
  readonly failures: Array<string> = []
  private readonly waiting: Array<Deferred.Deferred<void, BrokerFailure>> = []

  private readonly chainLayer = Layer.effect(
    CommitChain,
    Effect.map(Effect.service(CommitChain), (real) => ({
      ...real,
      at: (sequence: number) =>
        Effect.suspend(() => {
          this.read.push(sequence)
          const answer = Deferred.makeUnsafe<void, BrokerFailure>()
          this.waiting.push(answer)
          return Effect.andThen(Deferred.await(answer), real.at(sequence))
        })
    }))
  ).pipe(Layer.provide(this.journal.chainLayer))

  readonly layer = Layer.mergeAll(
    AccountReader.layer.pipe(Layer.provide(this.chainLayer)),
    this.chainLayer,
    Layer.mock(RejectedRecords, {})
  )

  readonly requests = makeActorRequests(partition, (reason) => void this.failures.push(reason))

  /** Answers the reads that wait, or fails them. */
  readonly answer = (outcome: Effect.Effect<void, BrokerFailure> = Effect.void) =>
    Effect.suspend(() => {
      for (const waiting of this.waiting.splice(0)) Deferred.doneUnsafe(waiting, outcome)
      return settle
    })

  /** Begins to load accounts whose newest revisions are in one commit. */
  begin({ load }: ActorRequests, users: ReadonlyArray<string>, newest: number) {
    return Effect.suspend(() => {
      for (const user of users) {
        const take = ({ count }: Account) => void this.loaded.set(user, count)
        load(user, newest, take, (problem) => void this.problems.push(problem))
      }
      return settle
    })
  }
}

/** Stores one commit with the newest revisions of users, who have some revisions each. Returns the commit's sequence. */
const commitTogether = (journal: MemoryJournal, revisions: Readonly<Record<string, number>>): number => {
  const append = (text: string) =>
    Effect.runSync(journal.append(partition, text, journal.newest(partition)?.sequence ?? 0))
  let inputSequence = 0
  const lines: Array<string> = []
  for (const [userToken, count] of Object.entries(revisions)) {
    const ledger = new AccountLedger(userToken, {
      commit: (text) => {
        lines.push(text.split("\n")[1] ?? "")
        return append(text)
      },
      segment: (text) => Effect.runSync(journal.seal(text))
    })
    for (let id = 1; id <= count; id += 1) {
      inputSequence += 1
      ledger.commit([purchaseOf(userToken, id, inputSequence)])
    }
    // Only the newest line of the user belongs to the common commit.
    lines.splice(-count, count - 1)
  }
  const head = JSON.stringify({ v: 2, kind: "commit", epoch: 1, worker: "w", position: inputSequence })
  return append([head, ...lines, ""].join("\n"))
}

const withLoads = (test: (loads: Loads) => Effect.Effect<void, never, Effect.Services<Loads["requests"]>>) => {
  const loads = new Loads()
  return test(loads).pipe(Effect.provide(loads.layer), Effect.scoped)
}

describe("loads of accounts", () => {
  it.effect("loads of accounts in one commit share one read of the commit", () =>
    withLoads((loads) =>
      Effect.gen(function* () {
        const requests = yield* loads.requests
        const newest = commitTogether(loads.journal, { ann: 1, bob: 1, cid: 1 })
        yield* loads.begin(requests, ["ann", "bob"], newest)
        yield* loads.begin(requests, ["cid"], newest)
        expect({ read: loads.read, loaded: loads.loaded.size }).toEqual({ read: [newest], loaded: 0 })
        yield* loads.answer()
        expect([...loads.loaded]).toEqual([
          ["ann", 1],
          ["bob", 1],
          ["cid", 1]
        ])
        loads.loaded.clear()
        yield* loads.begin(requests, ["ann"], newest)
        yield* loads.answer()
        expect({ read: loads.read, again: loads.loaded.get("ann") }).toEqual({ read: [newest, newest], again: 1 })
      })
    )
  )

  it.effect("the load of an account with earlier revisions reads these, and the shared commit once", () =>
    withLoads((loads) =>
      Effect.gen(function* () {
        const requests = yield* loads.requests
        const newest = commitTogether(loads.journal, { ann: 1, bob: 3 })
        yield* loads.begin(requests, ["ann", "bob"], newest)
        yield* loads.answer()
        expect([...loads.loaded]).toEqual([["ann", 1]])
        yield* loads.answer()
        expect([...loads.loaded]).toEqual([
          ["ann", 1],
          ["bob", 3]
        ])
        expect(loads.read).toHaveLength(3)
        expect(loads.read.filter((sequence) => sequence === newest)).toHaveLength(1)
      })
    )
  )

  it.effect("a user whose revision is malformed is reported, and the other users of the commit are loaded", () =>
    withLoads((loads) =>
      Effect.gen(function* () {
        const requests = yield* loads.requests
        const newest = commitTogether(loads.journal, { ann: 1 })
        loads.journal.spoil(newest, `${loads.journal.at(newest)?.text ?? ""}["bob",1]\n`)
        yield* loads.begin(requests, ["bob", "ann"], newest)
        yield* loads.answer()
        expect([...loads.loaded]).toEqual([["ann", 1]])
        yield* loads.answer()
        expect(loads.problems).toEqual([`account bob: revision ${newest} cannot be read`])
      })
    )
  )

  it.effect("a user without a revision in the commit is reported after the last repeat of the read", () =>
    withLoads((loads) =>
      Effect.gen(function* () {
        const requests = yield* loads.requests
        const newest = commitTogether(loads.journal, { ann: 1 })
        yield* loads.begin(requests, ["bob", "ann"], newest)
        for (let repeat = 0; repeat <= 5; repeat += 1) {
          yield* loads.answer()
          yield* TestClock.adjust("1 second")
          yield* settle
        }
        expect([...loads.loaded]).toEqual([["ann", 1]])
        expect(loads.problems).toEqual([`account bob: revision ${newest} is missing`])
        expect(loads.read).toHaveLength(6)
      })
    )
  )

  it.effect("a read that fails loads no account, and ends the epoch", () =>
    withLoads((loads) =>
      Effect.gen(function* () {
        const requests = yield* loads.requests
        const newest = commitTogether(loads.journal, { ann: 1, bob: 1 })
        yield* loads.begin(requests, ["ann", "bob"], newest)
        const unavailable = new BrokerUnavailable({ operation: "read", reason: "planned" })
        yield* loads.answer(Effect.fail(unavailable))
        expect(loads.failures).toEqual([`account ann: ${unavailable.message}`])
        expect(loads.loaded.size).toBe(0)
      })
    )
  )
})
