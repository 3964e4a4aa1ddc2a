import { isDeepStrictEqual } from "node:util"
import type { Account } from "../../src/account/Account.ts"
import { contentFingerprint, purchaseTotal } from "../../src/account/Purchase.ts"
import { addRepeats } from "../../src/account/PurchaseIdSet.ts"
import type { LedgerEntry } from "../../src/protocol/Query.ts"
import { previousRevisionsMax, type Repeats, type Revision } from "../../src/account/Revision.ts"
import type { FormerRevision } from "./FormerRevision.ts"

/** A purchase of an account: everything of a receipt except the time and sequence of its commit. */
type NumberedPurchase = Omit<LedgerEntry, "ledgerSequence">

/** An account of the former layout. */
export interface FormerAccount {
  readonly total: bigint
  readonly count: number
  readonly decidedThrough: number
  readonly revisions: number
  /** The purchases of the account, oldest first. */
  readonly purchases: ReadonlyArray<NumberedPurchase>
  readonly repeats: ReadonlyMap<string, Repeats>
}

/** An account in the new layout, for the comparison with its former state. */
export interface NewAccount {
  readonly account: Account
  /** The purchases of the history, newest first. */
  readonly entries: ReadonlyArray<LedgerEntry>
}

/** Adds up all revisions of an account, oldest first. */
export const formerAccountOf = (revisions: ReadonlyArray<FormerRevision>): FormerAccount => {
  const purchases: Array<NumberedPurchase> = []
  const repeats = new Map<string, Repeats>()
  let totalAfter = 0n
  for (const revision of revisions) {
    for (const purchase of revision.purchases) {
      totalAfter += purchaseTotal(purchase)
      purchases.push({ ...purchase, number: purchases.length + 1, totalAfter })
    }
    for (const [purchaseId, counts] of revision.repeats) addRepeats(repeats, purchaseId, counts)
  }
  const newest = revisions.at(-1)
  return {
    total: newest?.total ?? 0n,
    count: newest?.count ?? 0,
    decidedThrough: newest?.decidedThrough ?? 0,
    revisions: revisions.length,
    purchases,
    repeats
  }
}

const fields = [
  "number",
  "purchaseId",
  "productName",
  "productType",
  "valueCents",
  "quantity",
  "inputSequence",
  "inputIndex",
  "storedAt",
  "totalAfter"
] as const satisfies ReadonlyArray<keyof NumberedPurchase>

/** Returns the first difference of one purchase: in the history, or in the purchaseId set. */
const purchaseDifference = (
  former: NumberedPurchase,
  repeats: Repeats | undefined,
  entry: LedgerEntry | undefined,
  account: Account
): string | undefined => {
  const { purchaseId } = former
  const where = `purchase ${purchaseId} (number ${former.number})`
  if (entry === undefined) return `${where} is missing in the history`
  const field = fields.find((name) => former[name] !== entry[name])
  if (field !== undefined) return `${where}: ${field} was ${former[field]}, and is ${entry[field]}`
  const applied = account.purchaseIds.get(purchaseId)
  if (applied === undefined) return `${where} is missing in the set of purchase ids`
  if (applied.fingerprint !== contentFingerprint(former)) return `${where}: its fingerprint differs`
  if (applied.sequence !== entry.ledgerSequence) return `${where}: the set of purchase ids names another commit`
  const before = repeats ?? { repeats: 0, conflicts: 0 }
  if (applied.repeats !== before.repeats) return `${where}: repeats were ${before.repeats}, and are ${applied.repeats}`
  if (applied.conflicts === before.conflicts) return undefined
  return `${where}: conflicts were ${before.conflicts}, and are ${applied.conflicts}`
}

/**
 * Returns the first difference of an account between the two layouts; `undefined` if the account is the same in both.
 */
export const accountDifference = (former: FormerAccount, { account, entries }: NewAccount): string | undefined => {
  const { purchases } = former
  if (former.total !== purchases.at(-1)?.totalAfter && purchases.length > 0) {
    return `the former total is ${former.total}, and its purchases make ${purchases.at(-1)?.totalAfter}`
  }
  for (const name of ["total", "count", "decidedThrough"] as const) {
    if (former[name] !== account[name]) return `${name} was ${former[name]}, and is ${account[name]}`
  }
  const revisions = account.applying.length + (account.idle?.length ?? 0)
  if (former.revisions !== revisions) return `revisions were ${former.revisions}, and are ${revisions}`
  for (const [name, size] of [
    ["the history has", entries.length],
    ["the set of purchase ids has", account.purchaseIds.size]
  ] as const) {
    if (size !== purchases.length) return `${name} ${size} of ${purchases.length} purchases`
  }
  for (const [index, purchase] of purchases.entries()) {
    const repeats = former.repeats.get(purchase.purchaseId)
    const difference = purchaseDifference(purchase, repeats, entries[entries.length - 1 - index], account)
    if (difference !== undefined) return difference
  }
  return undefined
}

/** Returns the sequences of all revisions of an account, oldest first. */
export const revisionSequences = ({ applying, idle }: Account): Array<number> =>
  [...applying, ...(idle ?? [])].sort((one, other) => one - other)

/** Returns the first difference of a revision: in its content, or in the revisions that it names. */
export const revisionDifference = (
  former: FormerRevision,
  revision: Revision,
  sequencesBefore: ReadonlyArray<number>
): string | undefined => {
  const field = (["total", "count", "decidedThrough", "purchases", "repeats"] as const).find(
    (name) => !isDeepStrictEqual(former[name], revision[name])
  )
  if (field !== undefined) return `its ${field} differ`
  const previous = sequencesBefore.slice(-previousRevisionsMax).toReversed()
  return isDeepStrictEqual(revision.previous, previous) ? undefined : "it names other revisions than those before it"
}
