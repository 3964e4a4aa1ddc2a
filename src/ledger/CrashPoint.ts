import { Context, Effect } from "effect"

/** The steps of a commit between which a process can be made to die. */
export type CrashPointName = "before-commit" | "commit-sent" | "committed"

/**
 * Where tests make a worker kill itself; it does nothing unless the setting for tests arms it. A service with a
 * default, so that the journal names its steps and knows nothing of how tests use them.
 */
export const CrashPoint = Context.Reference<{ readonly reached: (name: CrashPointName) => Effect.Effect<void> }>(
  "purchases/ledger/CrashPoint",
  { defaultValue: () => ({ reached: () => Effect.void }) }
)
