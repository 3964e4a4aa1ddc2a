import { TestClock } from "effect/testing"
import { it } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer, Result, Scheduler, Scope } from "effect"
import * as fc from "fast-check"
import { describe, expect } from "vitest"
import { AccountActor, type ResidentActor } from "../../src/actor/AccountActor.ts"
import { makeActorRequests } from "../../src/actor/ActorRequests.ts"
import { type Account, type Delivered, type Refusal, sealBounds } from "../../src/account/Account.ts"
import { BrokerUnavailable, OutcomeUnknown } from "../../src/protocol/BrokerError.ts"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import type { PurchaseId, ReversalId, UserId } from "../../src/account/Identifier.ts"
import type { Rejection } from "../../src/protocol/Rejection.ts"
import type { Revision } from "../../src/account/Revision.ts"
import { decodeRevision } from "../../src/protocol/RevisionCodec.ts"
import { rejectedKey } from "../../src/protocol/Subject.ts"
import { decodeSegment } from "../../src/protocol/SegmentCodec.ts"
import { AccountReader } from "../../src/ledger/AccountReader.ts"
import type { RevisionProposal } from "../../src/ledger/ProposalQueue.ts"
import { InputProgress } from "../../src/ledger/InputProgress.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { RejectedRecords } from "../../src/nats/RejectedRecords.ts"
import { MemoryJournal } from "../support/MemoryJournal.ts"

type Failure = BrokerUnavailable | OutcomeUnknown

const refused = new BrokerUnavailable({ operation: "write", reason: "planned" })

/** Lets every fiber run until all of them wait. */
const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

/** Holds writes until the test lets them pass, each with its own outcome. */
class Held {
  isHolding = false
  private waiting: Array<Deferred.Deferred<void, Failure>> = []

  readonly pass = Effect.suspend(() => {
    if (!this.isHolding) return Effect.void
    const answer = Deferred.makeUnsafe<void, Failure>()
    this.waiting.push(answer)
    return Deferred.await(answer)
  })

  get size(): number {
    return this.waiting.length
  }

  /** Lets the oldest write pass, or fails it. */
  readonly answer = (outcome: Effect.Effect<void, Failure> = Effect.void) =>
    Effect.suspend(() => {
      const oldest = this.waiting.shift()
      if (oldest !== undefined) Deferred.doneUnsafe(oldest, outcome)
      return settle
    })

  readonly release = Effect.suspend(() => {
    this.isHolding = false
    for (const waiting of this.waiting.splice(0)) Deferred.doneUnsafe(waiting, Effect.void)
    return settle
  })
}

/** One actor over a journal in memory. The test lets the segments, records and commits of the actor pass. */
class TestActor {
  readonly journal = new MemoryJournal()
  readonly seals = new Held()
  readonly records = new Held()
  /** The stored messages in order: `segment`, `record rejected.<input sequence>.<index>` and `commit`. */
  readonly stored: Array<string> = []
  readonly proposals: Array<RevisionProposal<number>> = []
  /** The number of purchases of each proposal. */
  readonly purchases: Array<number> = []
  readonly revisions: Array<Revision> = []
  readonly failures: Array<string> = []
  readonly conflicts: Array<string> = []
  private readonly progress = new InputProgress<number>(0)
  private head = 0
  private inputSequence = 0
  private actor: AccountActor<number> | undefined
  private scope: Scope.Closeable | undefined

  private readonly chainLayer = Layer.effect(
    CommitChain,
    Effect.map(Effect.service(CommitChain), (real) => ({
      ...real,
      seal: (partition: number, text: string) =>
        Effect.andThen(this.seals.pass, real.seal(partition, text)).pipe(
          Effect.tap(() => Effect.sync(() => this.stored.push("segment")))
        )
    }))
  ).pipe(Layer.provide(this.journal.chainLayer))
  private readonly recordsLayer = Layer.mock(RejectedRecords, {
    record: ({ inputSequence, index }) =>
      Effect.tap(this.records.pass, () =>
        Effect.sync(() => this.stored.push(`record rejected.${inputSequence}.${index}`))
      )
  })
  readonly services = Layer.mergeAll(
    AccountReader.layer.pipe(Layer.provide(this.chainLayer)),
    this.chainLayer,
    this.recordsLayer
  )

  /** The accounts that the actor stopped, with their problems. */
  readonly stopped: Array<string> = []
  /** The keys of the rejected records of purchases that came after the account stopped. */
  readonly refused: Array<string> = []

  /** The reasons of the rejected records of reversals that were refused. */
  readonly refusedReversals: Array<string> = []

  /** The begins and ends of reads that the actor reported, in their order. */
  readonly reads: Array<string> = []

  /** Returns an actor whose account has one commit. The returned actor was given none of the input of its commit. */
  static onCommit(text: string) {
    return Effect.gen(function* () {
      const actor = new TestActor()
      actor.head = yield* Effect.orDie(actor.journal.append(0, text, 0))
      return actor
    })
  }

  /**
   * Starts an actor of a new epoch, which loads the account from the journal. The actor of the epoch before that ends.
   */
  start() {
    return Effect.gen({ self: this }, function* () {
      yield* this.end()
      const scope = yield* Scope.make()
      this.scope = scope
      const failed = (reason: string) => void this.failures.push(reason)
      const requests = yield* makeActorRequests(0, failed).pipe(Scope.provide(scope))
      const dispatcher = (yield* Scheduler.Scheduler).makeDispatcher()
      const hands = {
        partition: 0,
        requests,
        wake: (actor: ResidentActor) => dispatcher.scheduleTask(() => actor.turn(), 0),
        mailboxMax: 1_000,
        writer: { submit: (proposal: RevisionProposal<number>) => this.submit(proposal) },
        headOf: () => this.head,
        reads: { begun: () => void this.reads.push("begun"), ended: () => void this.reads.push("ended") },
        applied: () => undefined,
        conflict: ({ inputSequence, index }: Rejection) => void this.conflicts.push(rejectedKey(inputSequence, index)),
        reversalsRefused: (_refusals: ReadonlyArray<Refusal>, rejections: ReadonlyArray<Rejection>) =>
          void this.refusedReversals.push(...rejections.map(({ reason }) => reason)),
        unreadable: (userToken: string, problem: string) => void this.stopped.push(`${userToken}: ${problem}`),
        refused: (rejections: ReadonlyArray<Rejection>) =>
          void this.refused.push(...rejections.map(({ inputSequence, index }) => rejectedKey(inputSequence, index))),
        failed,
        loaded: () => undefined,
        finished: () => undefined,
        sealing: sealBounds
      }
      this.actor = new AccountActor<number>("ann", hands, () => undefined)
    }).pipe(Effect.provide(this.services))
  }

  /** Ends the epoch with its actor. */
  end() {
    return Effect.suspend(() => {
      this.actor?.end()
      return this.scope === undefined ? Effect.void : Scope.close(this.scope, Exit.void)
    })
  }

  /** Gives the actor one message for each id. Returns when the actor can do no more. */
  give(ids: ReadonlyArray<number>, quantity = 1) {
    return Effect.suspend(() => {
      for (const id of ids) this.tell([this.delivered(id, quantity)])
      return settle
    })
  }

  /** Gives the actor ids as one message. */
  giveTogether(ids: ReadonlyArray<number>) {
    return Effect.suspend(() => {
      this.inputSequence += 1
      this.tell(ids.map((id, inputIndex) => ({ ...this.delivered(id, 1, 0), inputIndex })))
      return settle
    })
  }

  /** Gives the actor one message with reversals of purchases, each reversal with an id of its own. */
  giveReversals(...reversed: ReadonlyArray<readonly [id: string, purchase: number, quantity?: number]>) {
    return Effect.suspend(() => {
      this.inputSequence += 1
      const { inputSequence } = this
      this.tell(
        reversed.map(([id, purchase, quantity], inputIndex) => ({
          reversal: {
            reversalId: id as ReversalId,
            userId: "ann" as UserId,
            purchaseId: `p${purchase}` as PurchaseId,
            reason: "Broken",
            ...(quantity === undefined ? {} : { quantity })
          },
          inputSequence,
          inputIndex,
          storedAt: 0
        }))
      )
      return settle
    })
  }

  /** Lets the position pass the oldest proposal, which has no revision. */
  pass() {
    return Effect.suspend(() => {
      const proposal = this.proposals.shift()
      expect(proposal?.line()).toBeUndefined()
      proposal?.committed(this.head)
      return settle
    })
  }

  private delivered(id: number, quantity: number, after = 1): Delivered {
    this.inputSequence += after
    const purchase = {
      purchaseId: `p${id}` as PurchaseId,
      userId: "ann" as UserId,
      productName: "Lamp",
      productType: "Furniture",
      valueCents: 100n,
      quantity
    }
    return { purchase, inputSequence: this.inputSequence, inputIndex: 0, storedAt: 0 }
  }

  private submit(proposal: RevisionProposal<number>): void {
    // An actor is its own proposal, so the number of its purchases changes with its next revision.
    this.purchases.push(proposal.purchases)
    this.proposals.push(proposal)
  }

  private tell(deliveries: ReadonlyArray<Delivered>): void {
    const message = this.progress.receive(this.inputSequence, 1, this.inputSequence)
    this.actor?.offer({ kind: "purchases", deliveries, message })
  }

  /** Stores the oldest proposal as a commit, and returns its revision; `undefined` without a proposal. */
  commit() {
    return Effect.gen({ self: this }, function* () {
      const proposal = this.proposals.shift()
      const line = proposal?.line()
      if (proposal === undefined || line === undefined) return undefined
      const text = encodeCommit({ kind: "commit", epoch: 1, worker: "w", position: 0 }, [line])
      const sequence = yield* Effect.orDie(this.journal.append(0, text, this.journal.newest(0)?.sequence ?? 0))
      this.stored.push("commit")
      this.head = sequence
      const revision = decodeRevision(line)
      this.revisions.push(revision)
      proposal.committed(sequence)
      yield* settle
      return revision
    })
  }

  /** Gives the actor one message for each id, and commits one revision for each message. */
  applyEach(ids: ReadonlyArray<number>) {
    return Effect.forEach(ids, (id) => Effect.andThen(this.give([id]), this.commit()), { discard: true })
  }

  /** Returns the account as its actor has it. */
  look() {
    return Effect.callback<Account>((resume) => {
      this.actor?.offer({ kind: "look", look: (account) => resume(Effect.succeed(account)) })
    })
  }

  /** Returns the account as another actor would read it now. */
  load() {
    return Effect.flatMap(AccountReader, (reader) => reader.load("ann", this.head)).pipe(Effect.provide(this.services))
  }
}

interface Given {
  /** Applies ids, one in each revision. */
  readonly applied?: ReadonlyArray<number>
  /** The writes that wait for the test after these ids are applied. */
  readonly holding?: "seals" | "records"
}

/** Starts an actor, and brings it into the state with which a test begins. */
const given = ({ applied = [], holding }: Given = {}) =>
  Effect.gen(function* () {
    const actor = new TestActor()
    yield* actor.start()
    yield* actor.applyEach(applied)
    if (holding !== undefined) actor[holding].isHolding = true
    return actor
  })

const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

/** Returns the mistakes in the segments that a revision of a journal names. */
const problemsOf = ({ journal }: TestActor, { segment }: Revision): Array<string> => {
  const problems: Array<string> = []
  for (let wanted = segment === 0 ? [] : [segment]; wanted.length > 0;) {
    const sequence = wanted.shift() ?? 0
    const stored = journal.at(sequence)
    if (stored === undefined) return [`segment ${sequence} is not stored`]
    const { revisions, links } = decodeSegment(stored.text)
    for (const covered of revisions) {
      if (covered.sequence >= sequence) problems.push(`segment ${sequence} covers ${covered.sequence} after it`)
      if (journal.at(covered.sequence) === undefined) problems.push(`revision ${covered.sequence} is not stored`)
    }
    wanted = [...links.before.slice(0, 1), ...wanted]
  }
  return problems
}

type Step = { readonly give: number; readonly from: number } | "hold" | "release" | "another actor"

/** Takes steps one after the other, and checks each revision when it is stored. */
const runSteps = (steps: ReadonlyArray<Step>) =>
  Effect.gen(function* () {
    const actor = yield* given()
    const known = new Set<number>()
    const check = Effect.gen(function* () {
      const revision = yield* actor.commit()
      if (revision !== undefined) expect(problemsOf(actor, revision)).toEqual([])
    })
    const checkAll = Effect.gen(function* () {
      while (actor.proposals.length > 0) yield* check
    })
    for (const step of steps) {
      if (step === "hold") actor.seals.isHolding = true
      else if (step === "release") yield* actor.seals.release
      else if (step === "another actor") {
        yield* actor.seals.release
        yield* checkAll
        yield* actor.start()
      } else {
        const ids = range(step.from, step.give)
        for (const id of ids) known.add(id)
        yield* actor.giveTogether(ids)
        yield* check
      }
    }
    yield* actor.seals.release
    yield* checkAll
    const account = yield* actor.look()
    const loaded = yield* actor.load()
    expect({ counted: account.count, inMemory: account.purchaseIds.size, loaded: loaded.purchaseIds.size }).toEqual({
      counted: known.size,
      inMemory: known.size,
      loaded: known.size
    })
    expect(
      [...known].filter(
        (id) => !Object.is(loaded.purchaseIds.get(`p${id}`)?.repeats, account.purchaseIds.get(`p${id}`)?.repeats)
      )
    ).toEqual([])
    expect(loaded.applying).toEqual(account.applying)
    expect(loaded.idle).toEqual(account.idle)
    yield* actor.end()
  })

describe("an actor that seals", () => {
  it.effect("an actor names a segment in its next revision, even if the actor leaves memory after each revision", () =>
    Effect.gen(function* () {
      const actor = new TestActor()

      for (const id of range(0, 72)) {
        yield* actor.start()
        yield* actor.applyEach([id])
      }

      expect(actor.revisions).toHaveLength(72)
      expect(actor.stored.filter((what) => what === "segment")).toHaveLength(2)
      expect(actor.revisions.map(({ segment }) => segment > 0).indexOf(true)).toBe(24)
      yield* actor.end()
    })
  )

  it.effect("an actor goes on committing below the bound on unsealed revisions while a segment is being stored", () =>
    Effect.gen(function* () {
      const actor = yield* given({ holding: "seals" })

      yield* actor.giveTogether(range(0, 256))
      yield* actor.commit()
      expect(actor.seals.size).toBe(0)
      yield* actor.applyEach(range(256, 30))
      expect(actor.seals.size).toBe(1)
      expect(actor.revisions.map(({ segment }) => segment)).toEqual(Array.from({ length: 31 }, () => 0))

      yield* actor.seals.release
      yield* actor.applyEach([286])
      const segment = actor.journal.at(actor.revisions.at(-1)?.segment ?? 0)
      expect(decodeSegment(segment?.text ?? "").revisions.map(({ purchaseIds }) => purchaseIds.length)).toEqual([256])
    })
  )

  it.effect("an actor holds back its 33rd unsealed revision until the segment that this revision names is stored", () =>
    Effect.gen(function* () {
      const actor = yield* given({ holding: "seals" })

      yield* actor.applyEach(range(0, 32))
      expect(actor.revisions.map(({ unsealed }) => unsealed)).toEqual(range(1, 32))

      yield* actor.give([32])
      expect(actor.proposals).toEqual([])

      yield* actor.seals.release
      expect(actor.proposals).toHaveLength(1)
      const revision = yield* actor.commit()
      // The segment covers the 24 revisions that were committed when the segment was begun.
      expect(revision?.unsealed).toBe(9)
      expect(problemsOf(actor, revision as Revision)).toEqual([])
      expect(revision?.segment).toBeGreaterThan(0)
    })
  )

  it.effect("an actor holds back a revision after 1,024 unsealed ids while a segment is being stored", () =>
    Effect.gen(function* () {
      const actor = yield* given({ holding: "seals" })

      for (const from of [0, 500, 1_000]) {
        yield* actor.giveTogether(range(from, 500))
        yield* actor.commit()
      }
      yield* actor.giveTogether(range(1_500, 24))
      expect((yield* actor.commit())?.segment).toBe(0)

      yield* actor.give([1_524])
      expect(actor.proposals).toEqual([])

      yield* actor.seals.release
      expect((yield* actor.commit())?.segment).toBeGreaterThan(0)
    })
  )

  it.effect("an actor stores a segment only after the segments that this segment names", () =>
    Effect.gen(function* () {
      const actor = yield* given({ holding: "seals" })

      yield* actor.giveTogether(range(0, 256))
      yield* actor.commit()
      for (const from of [300, 700, 1_100]) {
        yield* actor.giveTogether(range(from, 400))
        yield* actor.commit()
      }
      yield* actor.giveTogether([5_000])

      // The first segment holds 256 ids. The second segment holds 800 ids, and the third 400.
      yield* actor.seals.answer()
      expect((yield* actor.commit())?.segment).toBeGreaterThan(0)

      yield* actor.giveTogether([5_001])
      yield* actor.commit()
      expect(actor.seals.size).toBe(1)
      yield* actor.seals.answer()
      yield* actor.giveTogether([5_002])
      const between = yield* actor.commit()
      expect(actor.seals.size).toBe(1)
      yield* actor.seals.answer()
      yield* actor.giveTogether([5_003])
      const last = yield* actor.commit()

      const { links, revisions } = decodeSegment(actor.journal.at(last?.segment ?? 0)?.text ?? "")
      expect(links.before).toHaveLength(2)
      expect(links.before[1]).toBe(between?.segment)
      expect(revisions.flatMap(({ purchaseIds }) => purchaseIds)).toHaveLength(401)
      expect((yield* actor.load()).count).toBe(256 + 1_200 + 4)
    })
  )

  it.effect("an actor ends its epoch if a segment is not stored, and names no segment", () =>
    Effect.gen(function* () {
      const actor = yield* given({ holding: "seals" })

      yield* actor.applyEach(range(0, 26))
      yield* actor.seals.answer(Effect.fail(refused))
      expect(actor.failures).toEqual([`account ann: ${refused.message}`])

      yield* actor.applyEach(range(26, 6))
      yield* actor.give([40])

      expect({ revisions: actor.revisions.length, proposals: actor.proposals.length }).toEqual({
        revisions: 32,
        proposals: 0
      })
      expect(new Set(actor.revisions.map(({ segment }) => segment))).toEqual(new Set([0]))
      expect((yield* actor.load()).count).toBe(32)
    })
  )

  it.effect("an actor names no segment before the segment is stored, and another actor reads the whole account", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.oneof(
              {
                weight: 8,
                arbitrary: fc.record({ give: fc.integer({ min: 1, max: 60 }), from: fc.nat({ max: 900 }) })
              },
              { weight: 2, arbitrary: fc.constant("hold" as const) },
              { weight: 2, arbitrary: fc.constant("release" as const) },
              { weight: 1, arbitrary: fc.constant("another actor" as const) }
            ),
            { minLength: 30, maxLength: 120, size: "max" }
          ),
          (steps) => Effect.runPromise(runSteps(steps))
        ),
        // The shrinking of long lists of steps takes minutes.
        { numRuns: 40, endOnFailure: true }
      )
    )
  )
})

describe("an actor with conflicts", () => {
  it.effect("an actor stores the record of each conflict before the commit that counts the conflict", () =>
    Effect.gen(function* () {
      const actor = yield* given({ applied: [1], holding: "records" })

      yield* actor.give([1, 1, 2], 7)
      expect({ heldRecords: actor.records.size, proposals: actor.proposals.length }).toEqual({
        heldRecords: 2,
        proposals: 0
      })
      yield* actor.records.answer()
      expect(actor.proposals).toEqual([])
      yield* actor.records.answer()
      yield* actor.commit()

      expect(actor.stored).toEqual(["commit", "record rejected.2.0", "record rejected.3.0", "commit"])
      expect(actor.conflicts).toEqual(["rejected.2.0", "rejected.3.0"])
      expect(actor.revisions.at(-1)?.repeats).toEqual(new Map([["p1", { repeats: 0, conflicts: 2 }]]))
    })
  )

  it.effect("an actor reports conflicts only when the commit that counts these conflicts is stored", () =>
    Effect.gen(function* () {
      const actor = yield* given({ applied: [1] })

      yield* actor.give([1], 7)
      expect({ proposals: actor.proposals.length, told: actor.conflicts }).toEqual({ proposals: 1, told: [] })

      yield* actor.commit()
      expect(actor.conflicts).toEqual(["rejected.2.0"])
    })
  )

  it.effect.each([
    ["was not stored", refused],
    ["has an unknown outcome", new OutcomeUnknown({ operation: "write", reason: "planned" })]
  ] as const)("an actor commits nothing and ends its epoch if the record of a conflict %s", ([, failure]) =>
    Effect.gen(function* () {
      const actor = yield* given({ applied: [1], holding: "records" })

      yield* actor.give([1], 7)
      yield* actor.records.answer(Effect.fail(failure))
      yield* actor.give([2])

      expect({ proposals: actor.proposals.length, failures: actor.failures }).toEqual({
        proposals: 0,
        failures: [`account ann: ${failure.message}`]
      })
    })
  )
})

describe("an actor with reversals", () => {
  const reversedBy = ({ purchases }: Revision) =>
    purchases.map(({ purchaseId, quantity, reversal }) => [purchaseId, quantity, reversal?.reversalId])

  it.effect("an actor reads the purchase that a reversal names, even if an earlier actor applied that purchase", () =>
    Effect.gen(function* () {
      const actor = yield* given({ applied: range(0, 40) })
      yield* actor.start()

      yield* actor.giveReversals(["r1", 3], ["r2", 39])
      const revision = (yield* actor.commit()) as Revision
      expect(reversedBy(revision)).toEqual([
        ["p3", 1, "r1"],
        ["p39", 1, "r2"]
      ])
      expect({ total: revision.total, reversals: revision.reversals }).toEqual({ total: 3_800n, reversals: 2 })
      expect((yield* actor.load()).purchaseIds.get("p3")?.reversed).toBe(1)
    })
  )

  it.effect("an actor applies a purchase and its reversal that wait together as one revision, in their order", () =>
    Effect.gen(function* () {
      const actor = yield* given()

      yield* Effect.all([actor.give([1], 3), actor.giveReversals(["r1", 1, 2])])
      yield* actor.commit()
      yield* actor.commit()
      expect(actor.revisions.flatMap(reversedBy)).toEqual([
        ["p1", 3, undefined],
        ["p1", 2, "r1"]
      ])
      expect((yield* actor.look()).total).toBe(100n)
    })
  )

  it.effect("an actor stores the record of a refused reversal before the commit, and then reports the refusal", () =>
    Effect.gen(function* () {
      const actor = yield* given({ applied: [1], holding: "records" })

      yield* actor.giveReversals(["r1", 9])
      expect({ heldRecords: actor.records.size, proposals: actor.proposals.length }).toEqual({
        heldRecords: 1,
        proposals: 0
      })
      yield* actor.records.answer()
      expect({ proposals: actor.proposals.length, told: actor.refusedReversals }).toEqual({ proposals: 1, told: [] })
      yield* actor.pass()

      expect(actor.stored).toEqual(["commit", "record rejected.2.0"])
      expect(actor.refusedReversals).toEqual(["reversal r1 cannot be applied: purchase p9 was not applied before"])
      yield* actor.applyEach([2])
      expect((yield* actor.look()).count).toBe(2)
    })
  )

  it.effect("an actor stores the record of a refusal before the commit that applies the rest of the message", () =>
    Effect.gen(function* () {
      const actor = yield* given({ holding: "records" })

      yield* actor.give([1], 3)
      yield* actor.commit()
      yield* actor.giveReversals(["r1", 1, 2], ["r2", 1, 2], ["r3", 1], ["r4", 1])
      expect(actor.proposals).toEqual([])
      yield* actor.records.answer()
      expect(actor.proposals).toEqual([])
      yield* actor.records.answer()
      yield* actor.commit()

      expect(actor.stored).toEqual(["commit", "record rejected.2.1", "record rejected.2.3", "commit"])
      expect(actor.refusedReversals).toEqual([
        "reversal r2 cannot be applied: it asks for 2 of purchase p1, of which 1 are left",
        "reversal r4 cannot be applied: all pieces of purchase p1 are reversed already"
      ])
      expect(actor.conflicts).toEqual([])
    })
  )

  it.effect("an actor commits nothing and ends its epoch if the record of a refusal was not stored", () =>
    Effect.gen(function* () {
      const actor = yield* given({ applied: [1], holding: "records" })

      yield* actor.giveReversals(["r1", 9])
      yield* actor.records.answer(Effect.fail(refused))
      yield* actor.give([2])
      expect({ proposals: actor.proposals.length, failures: actor.failures }).toEqual({
        proposals: 0,
        failures: [`account ann: ${refused.message}`]
      })
    })
  )

  it.effect("an actor counts a repeated reversal, and records a reversal with another content as a conflict", () =>
    Effect.gen(function* () {
      const actor = yield* given()

      yield* actor.give([1], 5)
      yield* actor.commit()
      yield* actor.giveReversals(["r1", 1, 2])
      yield* actor.commit()
      yield* actor.giveReversals(["r1", 1, 2], ["r1", 1, 3])
      const revision = yield* actor.commit()
      expect(revision?.purchases).toEqual([])
      expect([...(revision?.repeats.values() ?? [])]).toEqual([{ repeats: 1, conflicts: 1 }])
      expect(actor.conflicts).toEqual(["rejected.3.1"])
      expect((yield* actor.look()).total).toBe(300n)
    })
  )

  it.effect("an actor that cannot read the purchase of a reversal stops the account, and rejects the reversal", () =>
    Effect.gen(function* () {
      const actor = yield* given({ applied: range(0, 3) })

      actor.journal.spoil(1, '{}\n["ann","x"]\n')
      yield* actor.giveReversals(["r1", 0])
      expect(actor.stopped).toEqual(["ann: account ann: revision 1 cannot be read"])
      yield* actor.pass()
      yield* actor.give([3])
      yield* actor.pass()
      expect(actor.refused).toEqual(["rejected.4.0", "rejected.5.0"])
      expect(actor.failures).toEqual([])
    })
  )
})

describe("an actor of one account", () => {
  it.effect("an actor reports the begin and the end of the read of its account, and no read for a new account", () =>
    Effect.gen(function* () {
      const actor = yield* given({ applied: [1, 2] })
      expect(actor.reads).toEqual([])
      yield* actor.start()
      yield* actor.applyEach([3, 4])
      expect(actor.reads).toEqual(["begun", "ended"])
      yield* actor.end()
    })
  )

  it.effect("an actor writes no revision for input that an earlier actor decided, and reports it as finished", () =>
    Effect.gen(function* () {
      const actor = yield* given()

      yield* actor.giveTogether([1, 2])
      yield* actor.commit()
      const { decidedThrough, revisionSequence } = yield* actor.look()
      expect({ decidedThrough, revisionSequence }).toEqual({ decidedThrough: 1, revisionSequence: 1 })

      // The input of the first actor, as it is read again after a crash.
      const next = yield* TestActor.onCommit(actor.journal.newest(0)?.text ?? "")
      yield* next.start()
      yield* next.giveTogether([1, 2])

      const proposed = next.proposals.map((proposal) => ({
        line: proposal.line(),
        messages: proposal.parts.map(({ sequence }) => sequence)
      }))
      expect(proposed).toEqual([{ line: undefined, messages: [1] }])
    })
  )

  it.effect("an actor whose account lacks a record reads the account again for some seconds, and then stops it", () =>
    Effect.gen(function* () {
      const actor = yield* given({ applied: range(0, 3) })

      actor.journal.spoil(1, undefined)
      const failed = yield* Effect.result(actor.load())
      yield* actor.start()
      yield* actor.give([3])
      expect(Result.isFailure(failed)).toBe(true)
      expect(actor.stopped).toEqual([])
      yield* TestClock.adjust("10 seconds")
      yield* settle
      expect(actor.failures).toEqual([])
      expect(actor.stopped).toEqual(["ann: account ann: revision 1 is missing"])
    })
  )

  it.effect("an actor whose account cannot be read stores a rejected record for each of its purchases", () =>
    Effect.gen(function* () {
      const actor = yield* given({ applied: range(0, 3) })

      actor.journal.spoil(1, '{}\n["ann","x"]\n')
      yield* actor.start()
      yield* actor.give([3, 4])
      yield* settle
      expect(actor.stopped).toHaveLength(1)
      for (const proposal of actor.proposals.splice(0)) {
        expect(proposal.line()).toBeUndefined()
        proposal.committed(9)
      }
      yield* settle
      yield* actor.give([5])
      for (const proposal of actor.proposals.splice(0)) proposal.committed(10)
      expect(actor.refused.length).toBeGreaterThanOrEqual(2)
      expect(actor.failures).toEqual([])
    })
  )
})

describe("the number of purchases of a proposal", () => {
  it.effect("a proposal counts new purchases, repeats, conflicts, and reversals that are refused", () =>
    Effect.gen(function* () {
      const actor = yield* given()
      yield* actor.giveTogether([1, 2, 3])
      yield* actor.commit()
      yield* actor.giveTogether([1, 2])
      yield* actor.commit()
      yield* actor.give([4], 2)
      yield* actor.commit()
      yield* actor.give([4], 3)
      yield* actor.commit()
      yield* actor.giveReversals(["x", 99], ["y", 98])
      yield* actor.pass()
      expect(actor.refusedReversals).toHaveLength(2)
      expect(actor.conflicts).toHaveLength(1)
      expect(actor.purchases).toEqual([3, 2, 1, 1, 2])
    })
  )

  it.effect("a proposal counts purchases that were decided before, which leave nothing to write", () =>
    Effect.gen(function* () {
      const first = yield* given()
      yield* first.giveTogether([1, 2])
      yield* first.commit()
      const next = yield* TestActor.onCommit(first.journal.newest(0)?.text ?? "")
      yield* next.start()
      yield* next.giveTogether([1, 2])
      yield* next.pass()
      expect(next.purchases).toEqual([2])
    })
  )

  it.effect("a proposal counts the purchases of an account that cannot be read", () =>
    Effect.gen(function* () {
      const actor = yield* given({ applied: range(0, 3) })
      actor.journal.spoil(1, '{}\n["ann","x"]\n')
      yield* actor.start()
      yield* actor.giveTogether([3, 4])
      yield* settle
      expect(actor.stopped).toHaveLength(1)
      yield* actor.pass()
      expect(actor.purchases).toEqual([1, 1, 1, 2])
    })
  )

  it.effect("a proposal counts the purchases that wait for a segment", () =>
    Effect.gen(function* () {
      const actor = yield* given({ applied: range(0, 31), holding: "seals" })
      yield* actor.give([31])
      yield* actor.commit()
      yield* actor.giveTogether([32, 33])
      yield* actor.seals.release
      yield* actor.commit()
      expect(actor.purchases.slice(31)).toEqual([1, 2])
    })
  )
})
