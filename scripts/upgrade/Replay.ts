import { Effect } from "effect"
import { partitionOf } from "../../src/protocol/Subject.ts"
import { beginReplay, type ChainReplay, type Written } from "./ChainReplay.ts"
import { type FormerLedger, type FormerValue, formerFilter, tokenOfKey } from "./FormerLedger.ts"
import { decodeFormerRevision } from "./FormerRevision.ts"
import { ReplayedAccounts } from "./ReplayedAccounts.ts"

/** The bounds of the memory of the upgrade. */
export interface ReplayLimits {
  /**
   * The most accounts of one pass. With more accounts the former layout is read several times, each time for some of
   * the partitions.
   */
  readonly accountsOfPassMax: number
  /** The most purchase ids in memory. If there are more ids, segments are written early. */
  readonly unsealedIdsMax: number
  /** The values of the former layout that are read at once. */
  readonly pageValuesMax: number
}

export const usualLimits: ReplayLimits = { accountsOfPassMax: 500_000, unsealedIdsMax: 2_000_000, pageValuesMax: 512 }

/** The share of the purchase ids that stays in memory when there are too many. */
const idsKept = 0.9

export interface ReplayPlan {
  readonly former: FormerLedger
  readonly partitions: number
  readonly limits: ReplayLimits
  /** Reports the progress after each page. */
  readonly progress: (text: string) => void
}

/** Returns the partitions of each pass over the former layout. */
export const passesOf = (partitions: number, accounts: number, accountsOfPassMax: number): Array<Array<number>> => {
  const count = Math.max(1, Math.min(partitions, Math.ceil(accounts / accountsOfPassMax)))
  const passes: Array<Array<number>> = Array.from({ length: count }, () => [])
  for (let partition = 0; partition < partitions; partition += 1) passes[partition % count]?.push(partition)
  return passes
}

/** Writes segments for the accounts that were touched longest ago until few enough ids are in memory. */
const sealEarly = Effect.fnUntraced(function* (
  accounts: ReplayedAccounts,
  chainOf: (userToken: string) => ChainReplay | undefined,
  unsealedIdsMax: number
) {
  if (accounts.unsealedIds <= unsealedIdsMax) return
  while (accounts.unsealedIds > idsKept * unsealedIdsMax) {
    const userToken = accounts.oldestUnsealed()
    const chain = userToken === undefined ? undefined : chainOf(userToken)
    if (userToken === undefined || chain === undefined) return
    yield* chain.seal(userToken)
  }
})

/** Writes the chains of some partitions in one pass over the former layout. */
const replayPass = Effect.fnUntraced(function* (plan: ReplayPlan, partitions: ReadonlyArray<number>, written: Written) {
  const accounts = new ReplayedAccounts()
  const chains = new Map<number, ChainReplay>()
  for (const partition of partitions) chains.set(partition, yield* beginReplay(partition, accounts, written))
  const chainOf = (userToken: string) => chains.get(partitionOf(userToken, plan.partitions))

  const takePart = Effect.fnUntraced(function* (chain: ChainReplay, part: ReadonlyArray<FormerValue>) {
    for (const { key, text } of part) yield* chain.take(tokenOfKey(key), decodeFormerRevision(text))
  })

  // Each partition takes its revisions in order. The partitions take their revisions concurrently.
  const takePage = Effect.fnUntraced(function* (page: ReadonlyArray<FormerValue>) {
    const parts = Map.groupBy(page, ({ key }) => chainOf(tokenOfKey(key)))
    const taking = Array.from(parts, ([chain, part]) => (chain === undefined ? Effect.void : takePart(chain, part)))
    yield* Effect.all(taking, { concurrency: "unbounded", discard: true })
    yield* sealEarly(accounts, chainOf, plan.limits.unsealedIdsMax)
    plan.progress(`${written.purchases} purchases of ${accounts.size} accounts written`)
  })

  yield* plan.former.eachPage(formerFilter.revisions, takePage)
  for (const [partition, chain] of chains) yield* chain.end(yield* plan.former.position(partition))
  return accounts.size
})

/** Writes every revision of the former layout into the chains, and returns the counts of accounts and records. */
export const replayAll = Effect.fnUntraced(function* (plan: ReplayPlan) {
  const { keys } = yield* plan.former.state
  const written: Written = { commits: 0, revisions: 0, purchases: 0, segments: 0 }
  let accounts = 0
  for (const partitions of passesOf(plan.partitions, keys, plan.limits.accountsOfPassMax)) {
    accounts += yield* replayPass(plan, partitions, written)
  }
  return { accounts, ...written }
})
