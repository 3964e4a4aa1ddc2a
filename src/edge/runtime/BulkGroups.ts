import { Semaphore } from "effect"

/**
 * The most groups of bulk requests that an edge has stored or is storing, and that are not applied yet. A group is the
 * purchases of one publish. Strong reads and single posts wait behind these groups, so the bound is small.
 */
export const bulkGroupsMax = 2

/** Makes the turns in which the bulk requests of an edge store their groups. */
export const bulkGroupTurns = (): Semaphore.Semaphore => Semaphore.makeUnsafe(bulkGroupsMax)
