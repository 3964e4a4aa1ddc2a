import { Context, Effect, Fiber, Layer, Schema } from "effect"

/** The steps at which a test can kill or freeze a worker: steps of writing a commit, a segment, or heads. */
export const CrashPointName = Schema.Literals([
  "before-commit",
  "commit-sent",
  "committed",
  "segment-sent",
  "segment-stored",
  "hint-sent",
  "hint-stored",
  "base-sent",
  "base-stored",
  "manifest-sent",
  "manifest-stored",
  "heads-purged"
])
export type CrashPointName = typeof CrashPointName.Type

/**
 * Has the function that a worker calls at each step, so that tests can kill or freeze the worker at a step. The
 * function `reached` does nothing unless the setting TEST_CRASH_POINT arms a step. `CrashPoint` is a reference with a
 * default, so that the ledger does not depend on the setting.
 */
export const CrashPoint = Context.Reference<{ readonly reached: (name: CrashPointName) => Effect.Effect<void> }>(
  "purchases/ledger/CrashPoint",
  { defaultValue: () => ({ reached: () => Effect.void }) }
)

/**
 * Runs a write between two steps. The worker reaches the first step when the write is sent, and the second step when
 * the write is stored.
 */
export const writeBetween = <A, E, R>(
  [sent, stored]: readonly [sent: CrashPointName, stored: CrashPointName],
  write: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const { reached } = yield* CrashPoint
    const writing = yield* Effect.forkChild(write, { startImmediately: true })
    yield* reached(sent)
    const result = yield* Fiber.join(writing)
    yield* reached(stored)
    return result
  })

/** The failure if the value of TEST_CRASH_POINT is malformed, or names no step. */
export class CrashPointUnknown extends Schema.TaggedError<CrashPointUnknown>()("CrashPointUnknown", {
  armed: Schema.String
}) {
  override get message() {
    return `TEST_CRASH_POINT must be a step and how often it is reached, like commit-sent:7 or before-commit:2:freeze, and is ${this.armed}.`
  }
}

const isName = Schema.is(CrashPointName)

const signals: ReadonlyMap<string | undefined, NodeJS.Signals> = new Map([
  [undefined, "SIGKILL"],
  ["freeze", "SIGSTOP"]
])

/**
 * Arms one step, given as the value of TEST_CRASH_POINT. When the worker reaches the step for the `n`th time, the
 * process kills itself with SIGKILL. If the value ends with `:freeze`, the process freezes instead, until it gets
 * SIGCONT.
 */
export const crashPointLayer = (armed: string | undefined): Layer.Layer<never, CrashPointUnknown> => {
  if (armed === undefined) return Layer.empty
  const [name, count = "1", then] = armed.split(":")
  const signal = signals.get(then)
  let left = Number(count)
  if (!isName(name) || signal === undefined || !Number.isInteger(left) || left < 1) {
    return Layer.effectDiscard(Effect.fail(new CrashPointUnknown({ armed })))
  }
  return Layer.succeed(CrashPoint, {
    reached: (at) =>
      Effect.suspend(() => {
        if (at !== name) return Effect.void
        left -= 1
        if (left !== 0) return Effect.void
        // Writes that the process began before this step have to reach the kernel before the process dies.
        return Effect.andThen(
          Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void))),
          Effect.sync(() => void process.kill(process.pid, signal))
        )
      })
  })
}
