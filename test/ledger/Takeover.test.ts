import { it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { describe, expect } from "vitest"
import { BrokerUnavailable, OutcomeUnknown } from "../../src/protocol/BrokerError.ts"
import { encodeCommit, headOf } from "../../src/protocol/Commit.ts"
import { readPosition, takeOver } from "../../src/ledger/Takeover.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { MemoryJournal } from "../support/MemoryJournal.ts"

const partition = 3

/** A journal in which other workers can write between the read of the newest commit and the take-over record. */
const makeJournal = () => {
  const journal = new MemoryJournal()
  const asked = { newest: 0, append: 0 }
  const commit = (position: number) =>
    Effect.suspend(() => {
      const text = encodeCommit({ kind: "commit", epoch: 1, worker: "old", position }, ['["ann","a line"]'])
      return Effect.orDie(journal.append(partition, text, journal.newest(partition)?.sequence ?? 0))
    })
  /** The writes of other workers, each before one append. */
  const others: Array<Effect.Effect<unknown, BrokerUnavailable | OutcomeUnknown>> = []
  const layer = Layer.effect(
    CommitChain,
    Effect.map(Effect.service(CommitChain), (real) => ({
      ...real,
      newest: (of: number) => {
        asked.newest += 1
        return real.newest(of)
      },
      append: (of: number, text: string, after: number) =>
        Effect.suspend(() => {
          asked.append += 1
          return Effect.andThen(others.shift() ?? Effect.void, real.append(of, text, after))
        })
    }))
  ).pipe(Layer.provide(journal.chainLayer))
  const take = takeOver(partition, "new").pipe(Effect.provide(layer))
  const position = readPosition(partition).pipe(Effect.provide(layer))
  return { journal, asked, commit, others, take, position }
}

describe("a take-over", () => {
  it.effect("the take-over record of a new partition is the first record of the chain, and has the position 0", () =>
    Effect.gen(function* () {
      const { journal, take, position } = makeJournal()
      expect(yield* position).toBe(0)
      expect(yield* take).toEqual({ epoch: 1, position: 0 })
      expect(headOf(journal.newest(partition)?.text ?? "")).toMatchObject({
        kind: "takeover",
        epoch: 0,
        worker: "new",
        position: 0
      })
    })
  )

  it.effect("a take-over keeps the position of the newest commit, and so does a second take-over", () =>
    Effect.gen(function* () {
      const { commit, take, position } = makeJournal()
      yield* commit(12)
      yield* commit(17)
      expect(yield* take).toEqual({ epoch: 3, position: 17 })
      expect(yield* position).toBe(17)
      expect(yield* take).toEqual({ epoch: 4, position: 17 })
    })
  )

  it.effect("a take-over that lost against a commit reads the chain again, and takes the position of that commit", () =>
    Effect.gen(function* () {
      const { asked, commit, others, take } = makeJournal()
      yield* commit(5)
      others.push(commit(8), commit(9))
      expect(yield* take).toEqual({ epoch: 4, position: 9 })
      expect(asked).toEqual({ newest: 3, append: 3 })
    })
  )

  it.effect("a take-over is tried ten times at most, and then fails with the conflict", () =>
    Effect.gen(function* () {
      const { asked, commit, others, take } = makeJournal()
      for (let number = 1; number <= 20; number += 1) others.push(commit(number))
      expect(yield* Effect.flip(take)).toMatchObject({ _tag: "CommitConflict" })
      expect(asked).toEqual({ newest: 10, append: 10 })
    })
  )

  it.effect.each([
    ["is unknown", new OutcomeUnknown({ operation: "commit", reason: "planned" })],
    ["is a failure", new BrokerUnavailable({ operation: "commit", reason: "planned" })]
  ] as const)("a take-over whose outcome %s is not tried again", ([, failure]) =>
    Effect.gen(function* () {
      const { asked, others, take } = makeJournal()
      others.push(Effect.fail(failure))
      expect(yield* Effect.flip(take)).toBe(failure)
      expect(asked).toEqual({ newest: 1, append: 1 })
    })
  )

  it.effect("after a take-over, every commit of an older owner is refused", () =>
    Effect.gen(function* () {
      const { journal, take } = makeJournal()
      const old = yield* take
      const { epoch } = yield* take
      const late = encodeCommit({ kind: "commit", epoch: old.epoch, worker: "old", position: 99 }, [])
      expect(yield* Effect.flip(journal.append(partition, late, old.epoch))).toMatchObject({ _tag: "CommitConflict" })
      expect(journal.newest(partition)?.sequence).toBe(epoch)
    })
  )
})
