import { it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { describe, expect } from "vitest"
import { DispatchWatermark } from "../../src/partition/DispatchWatermark.ts"
import { HeldInput } from "../../src/partition/HeldInput.ts"
import { untilStuck } from "../../src/partition/StuckWatch.ts"

/** The time from one check to the next. */
interface Turn {
  /** The time of the check in milliseconds: a second, unless the process was stopped. */
  readonly lasts?: number
  /** How long the broker was not heard at the end of the turn, in milliseconds. */
  readonly silence?: number
  /** The sequence up to which the actors are given their input in the turn. */
  readonly reached?: number
}

interface Beside {
  /** The sequence that a question waits for. */
  readonly awaited?: number
  /** Whether commits go on all the time. */
  readonly isBusy?: boolean
}

/** Watches an epoch for some checks. Returns why the epoch is stuck; `undefined` if the epoch is not stuck. */
const watch = Effect.fnUntraced(function* (turns: ReadonlyArray<Turn>, { awaited, isBusy = false }: Beside = {}) {
  const dispatched = new DispatchWatermark(0)
  const held = new HeldInput(1)
  if (isBusy) held.take(1)
  if (awaited !== undefined) yield* Effect.forkChild(dispatched.wait(awaited), { startImmediately: true })
  let now = 0
  let silence = 0
  let wake = () => {}
  // A clock that the test turns. Effect's test clock, turned by six seconds, would wake a fiber that sleeps for one
  // second six times.
  const clock: Clock.Clock = {
    ...(yield* Clock.Clock),
    currentTimeMillisUnsafe: () => now,
    currentTimeMillis: Effect.sync(() => now),
    sleep: () => Effect.callback((resume) => void (wake = () => resume(Effect.void)))
  }
  const watching = yield* untilStuck({ silence: () => silence, dispatched, held }).pipe(
    Effect.provideService(Clock.Clock, clock),
    Effect.forkChild({ startImmediately: true })
  )
  for (const turn of turns) {
    now += turn.lasts ?? 1_000
    silence = turn.silence ?? 0
    if (turn.reached !== undefined) dispatched.reach(turn.reached)
    wake()
    yield* Effect.yieldNow
  }
  const exit = watching.pollUnsafe()
  yield* Fiber.interrupt(watching)
  return exit === undefined ? undefined : exit._tag === "Success" ? exit.value : "failed"
})

const silent = [1_000, 2_000, 3_000].map((silence): Turn => ({ silence }))
const waited: ReadonlyArray<Turn> = [{}, {}, {}, {}]

describe("An epoch that may be stuck", () => {
  it.effect("an epoch is stuck when the broker is not heard at three checks in a row", () =>
    Effect.gen(function* () {
      expect(yield* watch([{ silence: 500 }, ...silent.slice(1)])).toBeUndefined()
      expect(yield* watch([{ silence: 500 }, ...silent])).toBe("the broker was not heard at 3 checks")
    })
  )

  it.effect("an epoch is not stuck if its process was stopped, and hears the broker between two checks", () =>
    Effect.gen(function* () {
      const stoodStill = { lasts: 6_000, silence: 6_000 }
      expect(yield* watch([stoodStill, {}, stoodStill, {}, stoodStill, {}])).toBeUndefined()
      const stillAgain = { lasts: 6_000, silence: 5_900 }
      expect(yield* watch([stoodStill, stillAgain, stillAgain, stillAgain])).toBeUndefined()
    })
  )

  it.effect("an epoch is stuck when a question waits for an input sequence, and no message comes at all", () =>
    Effect.gen(function* () {
      expect(yield* watch(waited.slice(1), { awaited: 7 })).toBeUndefined()
      expect(yield* watch(waited, { awaited: 7 })).toBe("input that a question waits for did not come")
    })
  )

  it.effect("an epoch is not stuck while messages come, commits are stored, or no question waits", () =>
    Effect.gen(function* () {
      const slowly = [1, 2, 3, 4, 5, 6].map((reached): Turn => ({ reached }))
      expect(yield* watch(slowly, { awaited: 7 })).toBeUndefined()
      expect(yield* watch([...waited, ...waited], { awaited: 7, isBusy: true })).toBeUndefined()
      expect(yield* watch([...waited, ...waited])).toBeUndefined()
    })
  )
})
