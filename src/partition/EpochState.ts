import { Deferred, Effect, type Scope } from "effect"

/** Whether an epoch is open. An epoch ends once, with the reason that was given first. */
export interface EpochState {
  readonly isOpen: () => boolean
  /** Ends the epoch. Reasons after the first reason change nothing. */
  readonly fail: (reason: string) => void
  /** Waits for the end of the epoch, and returns the reason of the end. */
  readonly over: Effect.Effect<string>
}

/** Opens the state of an epoch. The end of the scope ends the epoch too. */
export const openEpochState: Effect.Effect<EpochState, never, Scope.Scope> = Effect.gen(function* () {
  const over = yield* Deferred.make<string>()
  let isOpen = true
  const fail = (reason: string) => {
    isOpen = false
    Deferred.doneUnsafe(over, Effect.succeed(reason))
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => fail("closed")))
  return { isOpen: () => isOpen, fail, over: Deferred.await(over) }
})
