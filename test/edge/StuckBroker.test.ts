import { Effect, Layer } from "effect"
import { describe, expect, it } from "vitest"
import { applyingOf, storingNow } from "../../src/edge/service/Health.ts"
import { ConnectionState } from "../../src/nats/client/ConnectionState.ts"
import { InputLog } from "../../src/nats/InputLog.ts"

/** Returns what an edge answers about storing when its appends have failed for a time although the broker answers. */
const storingAfter = (failingMilliseconds: number) =>
  Effect.runSync(
    Effect.provide(
      storingNow,
      Layer.mergeAll(
        Layer.mock(ConnectionState, { isConnected: () => true, isClustered: () => false }),
        Layer.mock(InputLog, {
          failingFor: () => failingMilliseconds,
          capacity: Effect.succeed({ bytes: 0, bytesMax: 1_000_000 })
        })
      )
    )
  )

describe("a broker that answers and stores nothing", () => {
  it("a broker that answers and stores nothing is reported as an election at first", () => {
    expect(storingAfter(0)).toEqual({ ok: true, detail: "Purchases can be stored." })
    expect(storingAfter(9_999).ok).toBe(true)
  })

  it("a broker that answers and stores nothing is reported after ten seconds, with the remedy", () => {
    expect(storingAfter(12_345)).toEqual({
      ok: false,
      detail:
        "Purchases cannot be stored: the broker answers, and has stored nothing for 12 seconds. If it stays so, restart the broker that leads the input log."
    })
  })

  it("a broker that stores nothing is reported if a worker is alive and commits nothing", () => {
    const partition = { partition: 0, waiting: 3, owner: "w", trouble: "w is alive, and has applied nothing" }
    const worker = { worker: "w", instance: 1, storedAt: 0, silentMilliseconds: 0, isLeaving: false, isAlive: true }
    const detail = (isStuck: boolean) =>
      applyingOf({ at: 0, partitions: [{ ...partition, isStuck }], workers: [worker] }).detail
    const usual =
      "Partition 0 of 1 is not applied. Stored purchases are kept, and are applied when a worker takes them."
    expect(detail(false)).toBe(usual)
    expect(detail(true)).toBe(
      `${usual} A worker is alive and commits nothing. If it stays so, restart the broker that leads the journal.`
    )
  })
})
