import { Effect } from "effect"
import { headOf } from "../../src/protocol/Commit.ts"
import type { Replacements } from "../../src/harness/system/TestLedger.ts"

/** A gate that is closed until a test opens it. */
export const makeGate = () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { open: () => resolve(), pass: Effect.promise(() => promise) }
}

/** Returns whether an appended text is a commit, and not a take-over record. */
export const isCommit = (text: string): boolean => headOf(text).kind === "commit"

/** Holds the commits of a worker back until the test lets them go. Take-over records pass the gate. */
export const holdCommits = () => {
  const gate = makeGate()
  const held: Array<string> = []
  const replace: Replacements = {
    chain: (real) => ({
      ...real,
      append: (partition, text, after) =>
        Effect.suspend(() => {
          if (!isCommit(text)) return real.append(partition, text, after)
          held.push(text)
          return Effect.andThen(gate.pass, real.append(partition, text, after))
        })
    })
  }
  /** The texts of all commits that came to the gate. */
  return { replace, release: gate.open, held: held as ReadonlyArray<string> }
}
