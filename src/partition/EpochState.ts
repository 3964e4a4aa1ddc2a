import { Deferred, Effect, type Scope } from "effect"

/** Whether an epoch is open. An epoch ends once, with the reason of the first call of `fail`. */
export interface EpochState {
  readonly isOpen: () => boolean
  /** Ends the epoch with a reason. Only the first call has an effect. */
  readonly fail: (reason: string) => void
  /** Waits for the end of the epoch, and returns the reason of the end. */
  readonly over: Effect.Effect<string>
}

/** Opens the state of an epoch. When the caller's scope closes, the epoch ends. */
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
