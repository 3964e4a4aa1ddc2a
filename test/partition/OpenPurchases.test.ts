import { it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { describe, expect } from "vitest"
import { OpenPurchases, openPurchasesMax, type PartitionPurchases } from "../../src/partition/OpenPurchases.ts"

/** Returns whether a partition has room for purchases at once. */
const hasRoom = ({ room }: PartitionPurchases) =>
  Effect.map(Effect.forkChild(room, { startImmediately: true }), (fiber) => fiber.pollUnsafe() !== undefined)

const given = Effect.gen(function* () {
  const { ofPartition } = yield* OpenPurchases
  const scope = yield* Scope.make()
  return { first: yield* Scope.provide(ofPartition, scope), second: yield* ofPartition, scope }
})

describe("the bound on purchases that are not committed", () => {
  it.effect("at the bound on purchases that are not committed, a partition waits until another partition commits", () =>
    Effect.gen(function* () {
      const { first, second } = yield* given
      first.opened(openPurchasesMax - 1)
      expect(yield* hasRoom(first)).toBe(true)
      second.opened(1)
      expect({ first: yield* hasRoom(first), second: yield* hasRoom(second) }).toEqual({ first: false, second: false })
      const waiting = yield* Effect.forkChild(first.room, { startImmediately: true })
      second.committed(1)
      yield* Effect.yieldNow
      expect(waiting.pollUnsafe()).toBeDefined()
    }).pipe(Effect.scoped, Effect.provide(OpenPurchases.layer))
  )

  it.effect("a partition without uncommitted purchases goes on while another partition has many of them", () =>
    Effect.gen(function* () {
      const { first, second } = yield* given
      first.opened(10 * openPurchasesMax)
      expect({ first: yield* hasRoom(first), second: yield* hasRoom(second) }).toEqual({ first: false, second: true })
      second.opened(1)
      expect(yield* hasRoom(second)).toBe(false)
      second.committed(1)
      expect(yield* hasRoom(second)).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(OpenPurchases.layer))
  )

  it.effect("when an epoch ends, its purchases no longer count as purchases that are not committed", () =>
    Effect.gen(function* () {
      const { first, second, scope } = yield* given
      first.opened(openPurchasesMax)
      second.opened(1)
      expect(yield* hasRoom(second)).toBe(false)
      yield* Scope.close(scope, Exit.void)
      expect(yield* hasRoom(second)).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(OpenPurchases.layer))
  )

  it.effect("while an account is being read, one of its purchases does not count towards the bound", () =>
    Effect.gen(function* () {
      const { first } = yield* given
      first.opened(openPurchasesMax)
      expect(yield* hasRoom(first)).toBe(false)
      first.reads.begun()
      expect(yield* hasRoom(first)).toBe(true)
      first.opened(1)
      expect(yield* hasRoom(first)).toBe(false)
      first.reads.ended()
      first.committed(1)
      expect(yield* hasRoom(first)).toBe(false)
      first.committed(1)
      expect(yield* hasRoom(first)).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(OpenPurchases.layer))
  )

  it.effect("reports of an epoch after its end do not change the count of purchases that are not committed", () =>
    Effect.gen(function* () {
      const { first, second, scope } = yield* given
      second.opened(openPurchasesMax)
      yield* Scope.close(scope, Exit.void)
      first.committed(openPurchasesMax)
      expect(yield* hasRoom(second)).toBe(false)
    }).pipe(Effect.scoped, Effect.provide(OpenPurchases.layer))
  )
})
