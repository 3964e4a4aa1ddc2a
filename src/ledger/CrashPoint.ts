import { Context, Effect, Layer, Schema } from "effect"

/** The steps of a commit between which a process can be made to die, or to freeze. */
export const CrashPointName = Schema.Literals(["before-commit", "commit-sent", "committed"])
export type CrashPointName = typeof CrashPointName.Type

/**
 * Where tests make a worker kill or freeze itself; it does nothing unless the setting for tests arms it. A reference with a
 * default, so that the journal names its steps and knows nothing of how tests use them.
 */
export const CrashPoint = Context.Reference<{ readonly reached: (name: CrashPointName) => Effect.Effect<void> }>(
  "purchases/ledger/CrashPoint",
  { defaultValue: () => ({ reached: () => Effect.void }) }
)

/** What was armed is none of the steps. */
export class CrashPointUnknown extends Schema.TaggedError<CrashPointUnknown>()("CrashPointUnknown", {
  armed: Schema.String
}) {
  override get message() {
    return `TEST_CRASH_POINT must be a step and a number of commits, like commit-sent:7 or before-commit:2:freeze, and is ${this.armed}.`
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
