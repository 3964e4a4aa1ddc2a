import { Context, Effect, Fiber, Layer, Schema } from "effect"

/** The steps between which a process can be made to die, or to freeze: those of a commit, of a segment, and of heads. */
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
 * Where tests make a worker kill or freeze itself; it does nothing unless the setting for tests arms it. A reference with a
 * default, so that the journal names its steps and knows nothing of how tests use them.
 */
export const CrashPoint = Context.Reference<{ readonly reached: (name: CrashPointName) => Effect.Effect<void> }>(
  "purchases/ledger/CrashPoint",
  { defaultValue: () => ({ reached: () => Effect.void }) }
)

/** Runs a write between two steps: one when it is sent, and one when it is stored. */
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

/** What was armed is none of the steps. */
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
 * Arms one step: the process kills itself, as kill -9 would, when it gets there for the `n`th time; or it freezes, until
 * somebody lets it go on.
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
        // The kernel has to have what was written before, as it would have had with a process that dies later.
        return Effect.andThen(
          Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void))),
          Effect.sync(() => void process.kill(process.pid, signal))
        )
      })
  })
}
