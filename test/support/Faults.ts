import { Effect } from "effect"
import { accountKey } from "../../src/domain/Subject.ts"
import type { Replacements } from "./TestLedger.ts"

/** A door that is shut until a test opens it. */
export const makeGate = () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { open: () => resolve(), pass: Effect.promise(() => promise) }
}

/** Holds the commits of a worker back until the test lets them go, and sees which accounts were loaded. */
export const holdCommits = () => {
  const gate = makeGate()
  const loaded = new Set<string>()
  const replace: Replacements = {
    bucket: (real) => ({
      ...real,
      latestTold: (key) =>
        Effect.andThen(
          Effect.sync(() => loaded.add(key)),
          real.latestTold(key)
        ),
      commit: (writes) => Effect.andThen(gate.pass, real.commit(writes))
    })
  }
  return { replace, release: gate.open, hasLoaded: (userToken: string) => loaded.has(accountKey(userToken)) }
}
