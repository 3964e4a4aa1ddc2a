import { Effect, Layer, Scope } from "effect"
import { ActorRegistry } from "../../../src/actor/ActorRegistry.ts"

const real = ActorRegistry.layer

/** A planted leak: actors that are never passivated, and outlive their epochs. */
const leaking = (settings: Parameters<typeof real>[0]) =>
  Layer.effect(
    ActorRegistry,
    Effect.gen(function* () {
      const registry = yield* ActorRegistry
      const neverClosed = yield* Scope.make()
      return ActorRegistry.of({
        ...registry,
        forEpoch: (options) => registry.forEpoch(options).pipe(Scope.provide(neverClosed))
      })
    })
  ).pipe(
    Layer.provide(real({ ...settings, residentMax: Number.MAX_SAFE_INTEGER, idleMilliseconds: 24 * 60 * 60 * 1_000 }))
  )

Object.assign(ActorRegistry, { layer: leaking })
