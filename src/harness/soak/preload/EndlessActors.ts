import { Effect, Layer, Scope } from "effect"
import { ActorRegistry } from "../../../actor/ActorRegistry.ts"
import type { Account } from "../../../account/Account.ts"
import { processAllowances } from "../Allowances.ts"
import { bytesOfEach, plantLeak } from "./Forgetting.ts"

const real = ActorRegistry.layer
const isForgotten = plantLeak("EndlessActors")
const bytesPerDouble = 8
const doublesOfEach = Math.ceil(bytesOfEach(processAllowances.heapBytes) / bytesPerDouble)

/**
 * The memory that is added to each account, because an actor alone is too small for a leak of known size. The added
 * memory lives as long as the account.
 */
const burdens = new WeakMap<Account, ReadonlyArray<number>>()
const burden = (account: Account): void =>
  void burdens.set(
    account,
    Array.from({ length: doublesOfEach }, () => 0.5)
  )

/** A planted leak: actors that are never passivated, and outlive their epochs. */
const leaking = (settings: Parameters<typeof real>[0]) =>
  Layer.effect(
    ActorRegistry,
    Effect.gen(function* () {
      const registry = yield* ActorRegistry
      const neverClosed = yield* Scope.make()
      return ActorRegistry.of({
        ...registry,
        forEpoch: (options) =>
          registry.forEpoch(options).pipe(
            Scope.provide(neverClosed),
            Effect.map((actors) => {
              const burdened = new Set<string>()
              const isNew = (userToken: string) => !burdened.has(userToken) && isForgotten()
              return {
                tell: (userToken, envelope) => {
                  if (!actors.tell(userToken, envelope)) return false
                  if (isNew(userToken) && actors.tell(userToken, { kind: "look", look: burden }))
                    burdened.add(userToken)
                  return true
                }
              }
            })
          )
      })
    })
  ).pipe(
    Layer.provide(real({ ...settings, residentMax: Number.MAX_SAFE_INTEGER, idleMilliseconds: 24 * 60 * 60 * 1_000 }))
  )

Object.assign(ActorRegistry, { layer: leaking })
