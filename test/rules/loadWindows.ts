import { Effect } from "effect"
import { expect } from "vitest"
import type { Revision } from "../../src/account/Revision.ts"
import type { Judgement, PlacedRevision } from "../../src/rules/Judgement.ts"
import { type RevisionWalk, walkAll } from "../../src/rules/RevisionWalk.ts"
import type { UserWindows, WindowNeed } from "../../src/rules/UserWindows.ts"

/**
 * Loads the window states that some needs name, and checks that they are missing before exactly if a walk is made.
 * Returns all walks that were made.
 */
export const loadNeeds = (
  windows: UserWindows,
  needs: ReadonlyArray<WindowNeed>,
  previous: ReadonlyArray<number>,
  revisionAt: (sequence: number) => Effect.Effect<Revision>
): ReadonlyArray<RevisionWalk> => {
  const made: Array<RevisionWalk> = []
  const missing = () => {
    const walks = windows.walks(needs, previous)
    made.push(...walks)
    return walks
  }
  const areHeld = windows.has(needs)
  Effect.runSync(walkAll(missing, () => revisionAt))
  expect(areHeld).toBe(made.length === 0)
  expect(windows.has(needs)).toBe(true)
  return made
}

/** Loads the window states that a revision needs, from earlier revisions of the user by their sequences. */
export const loadWindows = (
  judgement: Judgement,
  placed: PlacedRevision,
  windows: UserWindows,
  revisions: ReadonlyMap<number, Revision> = new Map()
): ReadonlyArray<RevisionWalk> => {
  const revisionAt = (sequence: number) => {
    const found = revisions.get(sequence)
    return found === undefined ? Effect.die(new Error(`No revision at ${sequence}.`)) : Effect.succeed(found)
  }
  return loadNeeds(windows, judgement.windowsNeeded(placed), placed.revision.previous, revisionAt)
}
