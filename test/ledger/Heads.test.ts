import { it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { describe, expect } from "vitest"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import { decodeManifest, hintsMax } from "../../src/protocol/HeadManifest.ts"
import { Heads, type PartitionHeads } from "../../src/ledger/Heads.ts"
import { HeadStore } from "../../src/nats/HeadStore.ts"
import { type Fate, MemoryJournal } from "../support/MemoryJournal.ts"

const users = Array.from({ length: 12 }, (_, number) => `user${number}`)

/** An owner of the partition: its heads, and the scope that ends it. */
interface Owner {
  readonly heads: PartitionHeads
  readonly epoch: number
  readonly scope: Scope.Closeable
  newest: number
}

type Step =
  | { readonly do: "commit"; readonly users: ReadonlyArray<string> }
  | { readonly do: "write"; readonly fates: ReadonlyArray<Fate> }
  | { readonly do: "late write" }
  | { readonly do: "take over" }
  | { readonly do: "lose the chunks" }

const fate = fc.constantFrom<Fate>("done", "done", "done", "refused", "unanswered")
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("commit" as const), users: fc.subarray(users, { maxLength: 2 }) })
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("write" as const), fates: fc.array(fate, { maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.constant({ do: "late write" } as const) },
  { weight: 2, arbitrary: fc.constant({ do: "take over" } as const) },
  { weight: 1, arbitrary: fc.constant({ do: "lose the chunks" } as const) }
)

/** One partition whose owners come and go, and the true newest revision of each account. */
class Ledger {
  readonly journal = new MemoryJournal()
  readonly expected = new Map<string, number>()
  owner: Owner | undefined
  /** The former owner, which may not know yet that it has lost the partition. */
  old: Owner | undefined
  private readonly layer = Heads.layer.pipe(
    Layer.provide(Layer.mergeAll(this.journal.chainLayer, this.journal.headsLayer))
  )

  takeOver() {
    return Effect.gen({ self: this }, function* () {
      const record = encodeCommit({ kind: "takeover", epoch: 0, worker: "w", position: 0 }, [])
      const epoch = yield* this.journal.append(0, record, this.journal.newest(0)?.sequence ?? 0)
      const opened = yield* this.open(epoch)
      if (this.old !== undefined) yield* Scope.close(this.old.scope, Exit.void)
      this.old = this.owner
      this.owner = opened
    })
  }

  /** Opens the heads of an epoch whose take-over record is stored. */
  open(epoch: number) {
    return Effect.gen({ self: this }, function* () {
      const scope = yield* Scope.make()
      const heads = yield* Effect.flatMap(Heads, (service) => service.open(0, epoch)).pipe(
        Effect.provide(this.layer),
        Scope.provide(scope)
      )
      return { heads, epoch, scope, newest: epoch }
    })
  }

  commit(tokens: ReadonlyArray<string>) {
    return Effect.gen({ self: this }, function* () {
      const { owner } = this
      if (owner === undefined) return
      const lines = tokens.map((token) => JSON.stringify([token, "0"]))
      const head = { kind: "commit", epoch: owner.epoch, worker: "w", position: 0 } as const
      const sequence = yield* this.journal.append(0, encodeCommit(head, lines), owner.newest)
      owner.newest = sequence
      owner.heads.committed(tokens, sequence)
      for (const token of tokens) this.expected.set(token, sequence)
    })
  }

  /** Returns each user whose head differs from the chain. */
  wrong(): Array<string> {
    return users.filter((user) => this.owner?.heads.find(user) !== (this.expected.get(user) ?? 0))
  }

  close() {
    return Effect.forEach([this.owner, this.old], (owner) =>
      owner === undefined ? Effect.void : Scope.close(owner.scope, Exit.void)
    )
  }
}

const take = (ledger: Ledger, taken: Step): Effect.Effect<unknown, unknown> => {
  const { journal } = ledger
  switch (taken.do) {
    case "commit":
      return ledger.commit(taken.users)
    case "write":
      journal.fates = [...taken.fates]
      return Effect.ignore(ledger.owner?.heads.write ?? Effect.void)
    case "late write":
      return Effect.ignore(ledger.old?.heads.write ?? Effect.void)
    case "take over":
      return ledger.takeOver()
    case "lose the chunks":
      return Effect.sync(() => journal.loseChunks())
  }
}

const manifestOf = (ledger: Ledger) =>
  Effect.flatMap(HeadStore, (store) => store.manifest(0)).pipe(
    Effect.provide(ledger.journal.headsLayer),
    Effect.map((stored) => (stored === undefined ? undefined : decodeManifest(stored.text)))
  )

describe("the heads of a partition", () => {
  it("every owner has the heads of the chain, even if writes of heads fail, come late or are lost", () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), (steps) => {
        const run = Effect.gen(function* () {
          const ledger = new Ledger()
          yield* ledger.takeOver()
          // After a base of all users, most later writes are hints.
          yield* ledger.commit(users)
          yield* ledger.owner?.heads.write ?? Effect.void
          for (const taken of steps) {
            yield* take(ledger, taken)
            expect(ledger.wrong()).toEqual([])
          }
          ledger.journal.fates = []
          yield* ledger.takeOver()
          expect(ledger.wrong()).toEqual([])
          yield* ledger.close()
        })
        return Effect.runPromise(run as Effect.Effect<void>)
      }),
      { numRuns: 300 }
    ))

  it.effect("a manifest has all heads up to the commit that it names, and no heads beyond that commit", () =>
    Effect.gen(function* () {
      const ledger = new Ledger()
      yield* ledger.takeOver()
      yield* ledger.commit(["ann", "bob"])
      yield* ledger.owner?.heads.write ?? Effect.void
      const through = ledger.owner?.newest
      yield* ledger.commit(["ann"])
      expect((yield* manifestOf(ledger))?.through).toBe(through)
      yield* ledger.close()
    })
  )

  it.effect("an owner has the heads up to its take-over record, although a later owner has committed already", () =>
    Effect.gen(function* () {
      const ledger = new Ledger()
      const record = encodeCommit({ kind: "takeover", epoch: 0, worker: "w", position: 0 }, [])
      const epoch = yield* ledger.journal.append(0, record, 0)
      yield* ledger.takeOver()
      yield* ledger.commit(["ann"])
      const late = yield* ledger.open(epoch)
      expect(late.heads.find("ann")).toBe(0)
      expect(ledger.wrong()).toEqual([])
      yield* Scope.close(late.scope, Exit.void)
      yield* ledger.close()
    })
  )

  it.effect("heads are made again from the chain if a restored journal lacks the commit that the manifest names", () =>
    Effect.gen(function* () {
      const ledger = new Ledger()
      yield* ledger.takeOver()
      yield* ledger.commit(["ann"])
      const kept = ledger.owner?.newest ?? 0
      for (let round = 0; round < 5; round += 1) yield* ledger.commit(["ann", "user1"])
      yield* ledger.owner?.heads.write ?? Effect.void
      ledger.journal.restoreTo(0, kept)
      yield* ledger.takeOver()
      expect({ ann: ledger.owner?.heads.find("ann"), user1: ledger.owner?.heads.find("user1") }).toEqual({
        ann: kept,
        user1: 0
      })
      yield* ledger.close()
    })
  )

  it.effect("heads are read again if an old owner removes chunks between the reads of manifest and chunks", () =>
    Effect.gen(function* () {
      const ledger = new Ledger()
      yield* ledger.takeOver()
      yield* ledger.commit(users)
      const old = ledger.owner
      yield* old?.heads.write ?? Effect.void
      yield* ledger.commit(["user1"])
      const readBefore = ledger.journal.pagesRead
      // The next hint would be as large as the base, so a base is written.
      for (const user of users) old?.heads.committed([user], ledger.expected.get(user) ?? 0)
      ledger.journal.afterManifest = Effect.ignore(old?.heads.write ?? Effect.void)
      yield* ledger.takeOver()
      expect(ledger.wrong()).toEqual([])
      // The take-over reads from the new manifest on, and not from the beginning of the chain.
      expect(ledger.journal.pagesRead - readBefore).toBe(1)
      yield* ledger.close()
    })
  )

  it.effect("heads are not opened if the chain that is read ends before the take-over record", () =>
    Effect.gen(function* () {
      const ledger = new Ledger()
      yield* ledger.takeOver()
      yield* ledger.commit(["ann"])
      ledger.journal.isCutShort = true
      const exit = yield* Effect.exit(ledger.takeOver())
      expect(Exit.isFailure(exit) && String(exit.cause)).toContain("ends before its take-over record")
      yield* ledger.close()
    })
  )

  it.effect("heads are written 30 seconds after a change, and are not written without a change", () =>
    Effect.gen(function* () {
      const ledger = new Ledger()
      yield* ledger.takeOver()
      yield* TestClock.adjust("2 minutes")
      expect(yield* manifestOf(ledger)).toBeUndefined()
      yield* ledger.commit(["ann"])
      yield* TestClock.adjust("31 seconds")
      expect((yield* manifestOf(ledger))?.through).toBe(ledger.owner?.newest)
      yield* ledger.close()
    })
  )

  it.effect("heads are written at once when the heads of 16,384 revisions are not written yet", () =>
    Effect.gen(function* () {
      const ledger = new Ledger()
      yield* ledger.takeOver()
      const tokens = Array.from({ length: 16_384 }, (_, number) => `user${number}`)
      yield* ledger.commit(tokens.slice(1))
      yield* Effect.yieldNow
      expect(yield* manifestOf(ledger)).toBeUndefined()
      yield* ledger.commit(tokens.slice(0, 1))
      yield* TestClock.adjust(0)
      expect(yield* manifestOf(ledger)).toMatchObject({ through: ledger.owner?.newest, baseBytes: 24 * 16_384 })
      yield* ledger.close()
    })
  )

  it.effect("heads have a bounded number of hints, and leave no chunk that the manifest does not name", () =>
    Effect.gen(function* () {
      const ledger = new Ledger()
      yield* ledger.takeOver()
      yield* ledger.commit(Array.from({ length: 1_000 }, (_, number) => `many${number}`))
      for (let round = 0; round < 3 * hintsMax; round += 1) {
        yield* ledger.commit(["ann"])
        yield* ledger.owner?.heads.write ?? Effect.void
        const manifest = yield* manifestOf(ledger)
        expect(manifest?.hints.length).toBeLessThanOrEqual(hintsMax)
        expect([...ledger.journal.chunks.keys()]).toEqual([...(manifest?.base ?? []), ...(manifest?.hints ?? [])])
      }
      yield* ledger.close()
    })
  )
})
