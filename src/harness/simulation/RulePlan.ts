import type { UserId } from "../../account/Identifier.ts"
import type { Rule } from "../../rules/Rule.ts"
import { rulesFor } from "../alerts/SomeRules.ts"
import type { Randomness } from "./Randomness.ts"

/** A change of a rule by a client. No two clients change the same rule. */
export interface RuleOperation {
  readonly do: "put a rule" | "remove a rule"
  readonly client: number
  readonly at: number
  readonly owner: UserId
  readonly ruleId: string
  /** The rule to put. An operation that removes a rule does not use this rule. */
  readonly rule: Rule
}

/**
 * The time within which early changes of rules come, in milliseconds. Most runs have early changes, so that many
 * purchases are judged.
 */
const firstChangesWithin = 600
const changesPlanned = 14
const ruleIdsOfClient = 2

/** Returns the changes of rules of a run, in the order of their times. */
export const ruleOperationsOf = (
  random: Randomness,
  owners: ReadonlyArray<UserId>,
  clients: number,
  within: number
): ReadonlyArray<RuleOperation> => {
  const earlyShare = random.next()
  return Array.from({ length: changesPlanned }, (): RuleOperation => {
    const client = random.below(clients)
    const isEarly = random.chance(earlyShare)
    return {
      do: !isEarly && random.chance(0.3) ? "remove a rule" : "put a rule",
      client,
      at: random.below(isEarly ? firstChangesWithin : within),
      owner: random.choose(owners),
      ruleId: `r${client}-${random.below(ruleIdsOfClient)}`,
      rule: random.choose(rulesFor.simulation)
    }
  }).sort((one, other) => one.at - other.at)
}
