import type { StoredCommit } from "../../src/harness/system/BrokerAdmin.ts"

/**
 * Returns each commit of a chain that belongs to another epoch than the last take-over before it, or moves the position
 * back.
 */
export const mistakesInChain = (commits: ReadonlyArray<StoredCommit>): ReadonlyArray<string> => {
  const mistakes: Array<string> = []
  let owner = 0
  let reached = 0
  for (const { kind, epoch, position, sequence } of commits) {
    if (kind === "takeover") owner = sequence
    else if (epoch !== owner) mistakes.push(`commit ${sequence} is of epoch ${epoch}, and the owner is ${owner}`)
    if (position < reached) mistakes.push(`commit ${sequence} moves the position from ${reached} to ${position}`)
    reached = position
  }
  return mistakes
}
