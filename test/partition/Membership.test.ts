import { it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import { WorkCounters } from "../../src/metrics/WorkCounters.ts"
import { ConnectionState } from "../../src/nats/client/ConnectionState.ts"
import { Topology } from "../../src/nats/Topology.ts"
import { WorkerBucket } from "../../src/nats/WorkerBucket.ts"
import { Membership } from "../../src/partition/Membership.ts"

/** Returns the number of signs of life that a worker gives in ten seconds, if the broker answers none of them. */
const signsInTenSeconds = (isClustered: boolean, heartbeat: Duration.Duration) =>
  Effect.gen(function* () {
    let announced = 0
    let isAnswering = true
    const bucket = Layer.mock(WorkerBucket, {
      announce: () =>
        Effect.suspend(() => {
          announced += 1
          return isAnswering ? Effect.succeed(announced) : Effect.never
        }),
      read: Effect.succeed([]),
      watch: () => Effect.void
    })
    const connection = Layer.mock(ConnectionState, {
      isConnected: () => true,
      isClustered: () => isClustered,
      onReconnect: () => Effect.void
    })
    const services = Layer.mergeAll(
      bucket,
      connection,
      WorkCounters.layer,
      Layer.succeed(Topology, Topology.of({ partitions: 8, messageBytesMax: 1_024 }))
    )
    const membership = Membership.layer({ worker: "w", heartbeat, lease: Duration.seconds(30) }).pipe(
      Layer.provide(services)
    )
    return yield* Effect.gen(function* () {
      yield* Membership
      isAnswering = false
      const before = announced
      yield* TestClock.adjust("10 seconds")
      return announced - before
    }).pipe(Effect.provide(membership))
  })

it.effect("a worker of a cluster gives signs of life twice a second, and does not wait for lost answers", () =>
  Effect.gen(function* () {
    expect(yield* signsInTenSeconds(true, Duration.seconds(5))).toBe(20)
    expect(yield* signsInTenSeconds(false, Duration.seconds(5))).toBe(2)
  })
)
