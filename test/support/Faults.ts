import { Effect } from "effect"
import { accountKey } from "../../src/domain/Subject.ts"
import type { Replacements } from "./TestLedger.ts"

/** A door that is shut until a test opens it. */
export const makeGate = () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { open: () => resolve(), pass: Effect.promise(() => promise) }
}

/** Holds the first commit of a worker back until the test lets it go, and sees which accounts were loaded. */
export const holdFirstCommit = () => {
  const gate = makeGate()
  const loaded = new Set<string>()
  let commits = 0
  const replace: Replacements = {
    bucket: (real) => ({
      ...real,
      latestTold: (key) =>
        Effect.andThen(
          Effect.sync(() => loaded.add(key)),
          real.latestTold(key)
        ),
      commit: (writes) =>
        Effect.suspend(() => {
          commits += 1
          return commits === 1 ? Effect.andThen(gate.pass, real.commit(writes)) : real.commit(writes)
        })
    })
  }
  return { replace, release: gate.open, hasLoaded: (userToken: string) => loaded.has(accountKey(userToken)) }
}
