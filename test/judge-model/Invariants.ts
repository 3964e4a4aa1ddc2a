import type { Invariant } from "../../src/harness/Invariant.ts"
import { comparePlaces, type Position, type Shared, type Write } from "./AlertStream.ts"
import {
  type AlertMessage,
  isCommit,
  type Placed,
  purchasesThrough,
  rightMessages,
  ruleBook,
  type RuleName,
  type Script,
  type User,
  users
} from "./Ledger.ts"

/**
 * An invariant that the judges keep in every state. The model checks these invariants of docs/protocol.md:
 * - `A1`: No alert is stored twice, and no alert of a purchase up to the position is missing.
 * - `A2`: Each alert is one of the alerts that follow from the ledger.
 * - `A3`: The messages of an owner about one purchaser are in the order of the ledger.
 * - `A4`: No write moves a position back.
 * - `A5`: In the client's log, the last answered change of a rule before a purchase decides whether the purchase is
 *   judged by the rule. In a script, each change is answered before the client sends the purchases after the change.
 * - `A7`: A count that a judge uses is the number of the purchaser's earlier purchases in the ledger.
 * - `A8`: From every state, every position can reach the end of the ledger without further faults.
 * These invariants rest on one more invariant:
 * - `prefix`: The stored alerts are those of all purchases before the position, and no others.
 */
export type ModelRule = Invariant | "prefix"

/** Returns the shard of a user. */
export const shardOf = (user: User, shards: number): number => users.indexOf(user) % shards

/** Returns the number of messages of a commit that come before the messages of one of its purchases. */
const messagesBefore = (script: Script, shards: number, placed: Placed): number =>
  purchasesThrough(script, placed.sequence)
    .filter((one) => one.sequence === placed.sequence && one.index < placed.index)
    .filter((one) => shardOf(one.user, shards) === shardOf(placed.user, shards))
    .reduce((sum, one) => sum + rightMessages(script, one).length, 0)

/** Returns whether the first `messages` messages of an entry are before the position of a shard. */
const isWritten = (position: Position | undefined, sequence: number, messages: number): boolean =>
  position !== undefined && comparePlaces({ through: sequence - 1, messages }, position.place) <= 0

const alertsOf = (messages: ReadonlyArray<AlertMessage>, purchase: string, rule: RuleName): number =>
  messages.filter((message) => message.purchase === purchase && message.rules.includes(rule)).length

/** Compares the stored messages of one purchase with the messages that follow from the ledger. */
const brokenByPurchase = (script: Script, shared: Shared, placed: Placed): ReadonlyArray<ModelRule> => {
  const broken: Array<ModelRule> = []
  const right = rightMessages(script, placed)
  const shards = shared.positions.length
  const position = shared.positions[shardOf(placed.user, shards)]
  const before = messagesBefore(script, shards, placed)
  for (const [index, { owner, rules }] of right.entries()) {
    const isDue = isWritten(position, placed.sequence, before + index + 1)
    for (const rule of rules) {
      const found = alertsOf(shared.alerts[owner], placed.purchase, rule)
      if (found > 1 || (isDue && found === 0)) broken.push("A1")
      if (found !== (isDue ? 1 : 0)) broken.push("prefix")
    }
  }
  for (const owner of users) {
    const allowed = right.find((message) => message.owner === owner)?.rules ?? []
    const found = shared.alerts[owner].filter(({ purchase }) => purchase === placed.purchase)
    if (found.some(({ rules }) => rules.some((rule) => !allowed.includes(rule)))) broken.push("A2")
  }
  return broken
}

const isInOrder = (script: Script, messages: ReadonlyArray<AlertMessage>, purchaser: User): boolean => {
  const order = purchasesThrough(script, script.length).map(({ purchase }) => purchase)
  const places = messages
    .filter(({ purchase }) => purchase.startsWith(purchaser))
    .map(({ purchase }) => order.indexOf(purchase))
  return places.every((place, at) => at === 0 || place >= (places[at - 1] ?? 0))
}

/**
 * Returns whether the alerts of a purchase contradict the log of the client, which has only the client's own changes of
 * rules. The client does not know how many purchases a user has made. So the comparison with the client's log looks
 * only at rules that every purchase meets.
 */
const isChangeIgnored = (script: Script, shared: Shared, placed: Placed): boolean => {
  const position = shared.positions[shardOf(placed.user, shared.positions.length)]
  if (position === undefined || position.place.through < placed.sequence) return false
  return (Object.keys(ruleBook) as Array<RuleName>).some((name) => {
    const { owner, who, meets } = ruleBook[name]
    if (meets !== "each") return false
    const last = script.slice(0, placed.sequence).findLast((entry) => !isCommit(entry) && entry.rulesOf === owner)
    const isPut = last !== undefined && !isCommit(last) && last.are.includes(name)
    const isMet = isPut && (who === "all" || owner === placed.user)
    return alertsOf(shared.alerts[owner], placed.purchase, name) > 0 !== isMet
  })
}

export const brokenInvariants = (script: Script, shared: Shared): ReadonlyArray<ModelRule> => {
  const purchases = purchasesThrough(script, shared.stored)
  const broken = purchases.flatMap((placed) => brokenByPurchase(script, shared, placed))
  const isOrdered = users.every((owner) =>
    users.every((purchaser) => isInOrder(script, shared.alerts[owner], purchaser))
  )
  if (!isOrdered) broken.push("A3")
  if (purchases.some((placed) => isChangeIgnored(script, shared, placed))) broken.push("A5")
  return broken
}

/** Checks a write that the broker is about to store. */
export const brokenByWrite = ({ positions }: Shared, { shard, place }: Write): ModelRule | undefined => {
  const before = positions[shard]
  return before !== undefined && place !== undefined && comparePlaces(place, before.place) < 0 ? "A4" : undefined
}
