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

describe("open purchases", () => {
  it.effect("a partition with open purchases waits at the bound until another partition has committed", () =>
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

  it.effect("a partition without open purchases goes on while another partition has many open purchases", () =>
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

  it.effect("an epoch that ends takes its purchases out of the count of open purchases", () =>
    Effect.gen(function* () {
      const { first, second, scope } = yield* given
      first.opened(openPurchasesMax)
      second.opened(1)
      expect(yield* hasRoom(second)).toBe(false)
      yield* Scope.close(scope, Exit.void)
      expect(yield* hasRoom(second)).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(OpenPurchases.layer))
  )

  it.effect("one purchase of each account that is being read does not count towards the bound", () =>
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

  it.effect("the reports of an epoch after its end change no count", () =>
    Effect.gen(function* () {
      const { first, second, scope } = yield* given
      second.opened(openPurchasesMax)
      yield* Scope.close(scope, Exit.void)
      first.committed(openPurchasesMax)
      expect(yield* hasRoom(second)).toBe(false)
    }).pipe(Effect.scoped, Effect.provide(OpenPurchases.layer))
  )
})
