import type { Floor } from "./Floor.ts"
import { accountsOf } from "./LedgerAccounts.ts"
import { type Total, totalIn } from "./TotalBody.ts"
import { originalsOf, type Workload } from "./Workload.ts"

/** The parts of a purchase that are needed to add up totals. */
interface Counted {
  readonly userId: string
  readonly purchaseId: string
  readonly valueCents: bigint
  readonly quantity: number
}

const readsAtOnce = 16
const readTriesMax = 30
const wrongNamedMax = 10
/**
 * The most accounts that are read over HTTP. If the ledger has more accounts, only some of them are read over HTTP. All
 * accounts are also read from the journal.
 */
const readsOverHttpMax = 2_000

/** Adds purchases up by their ids and amounts alone, for a comparison with the ledger. */
export const totalsOf = (purchases: Iterable<Counted>): Map<string, Total> => {
  const applied = new Set<string>()
  const totals = new Map<string, Total>()
  for (const purchase of purchases) {
    const id = `${purchase.userId} ${purchase.purchaseId}`
    if (applied.has(id)) continue
    applied.add(id)
    add(totals, purchase)
  }
  return totals
}

/**
 * Returns the totals that accounts must have after a workload. The workload knows its repeats, so no purchase ids are
 * kept.
 */
export const totalsOfWorkload = (workload: Workload): Map<string, Total> => {
  const totals = new Map<string, Total>()
  for (const purchase of originalsOf(workload)) add(totals, purchase)
  return totals
}

const add = (totals: Map<string, Total>, { userId, valueCents, quantity }: Counted): void => {
  const before = totals.get(userId) ?? { count: 0, cents: 0n }
  totals.set(userId, { count: before.count + 1, cents: before.cents + valueCents * BigInt(quantity) })
}

/** Reads the total of a user over HTTP. Asks again if the edge did not get the current total in time. */
export const readTotal = async (edgeUrl: string, userId: string): Promise<Total> => {
  for (let tries = 1; ; tries += 1) {
    const response = await fetch(`${edgeUrl}/users/${encodeURIComponent(userId)}/total`)
    const body = await response.text()
    const total = response.ok ? totalIn(body) : undefined
    if (total !== undefined) return total
    if (response.status < 500 || tries === readTriesMax) {
      throw new Error(`the total of ${userId} could not be read: ${response.status} ${body}`)
    }
  }
}

const isSame = (one: Total, other: Total): boolean => one.count === other.count && one.cents === other.cents

const difference = (userId: string, found: Total, expected: Total): string =>
  `${userId} has ${found.count} purchases of ${found.cents} cents, not ${expected.count} of ${expected.cents}`

const shortened = (wrong: ReadonlyArray<string>): Array<string> => {
  const more = wrong.length - wrongNamedMax
  return more > 0 ? [...wrong.slice(0, wrongNamedMax), `and ${more} more totals are wrong`] : [...wrong]
}

/** Reads every total over HTTP, and returns the wrong totals. */
export const wrongTotals = async (edgeUrl: string, expected: ReadonlyMap<string, Total>): Promise<Array<string>> => {
  const wrong: Array<string> = []
  const rest = expected.entries()
  const reader = async () => {
    for (const [userId, total] of rest) {
      const found = await readTotal(edgeUrl, userId)
      if (!isSame(found, total)) wrong.push(difference(userId, found, total))
    }
  }
  await Promise.all(Array.from({ length: readsAtOnce }, reader))
  return shortened(wrong)
}

/**
 * Reads the newest revision of every account from the journal. Returns the accounts that are wrong, missing or
 * unexpected.
 */
const wrongAccounts = async (brokerUrl: string, expected: ReadonlyMap<string, Total>): Promise<Array<string>> => {
  const accounts = await accountsOf(brokerUrl)
  const wrong: Array<string> = []
  for (const [userId, total] of expected) {
    const found = accounts.get(userId) ?? { count: 0, cents: 0n }
    if (!isSame(found, total)) wrong.push(difference(userId, found, total))
  }
  for (const userId of accounts.keys()) if (!expected.has(userId)) wrong.push(`${userId} bought nothing`)
  return shortened(wrong)
}

/**
 * Compares a whole ledger with the workload: each account in the journal, and many or all accounts by strong reads over
 * HTTP.
 */
export const wrongLedger = async (
  { edgeUrl, broker }: { readonly edgeUrl: string; readonly broker: { readonly url: string } },
  expected: ReadonlyMap<string, Total>
): Promise<Array<string>> => {
  const step = Math.ceil(expected.size / readsOverHttpMax)
  const read = new Map(Array.from(expected).filter((_, index) => index % step === 0))
  return [...(await wrongAccounts(broker.url, expected)), ...(await wrongTotals(edgeUrl, read))]
}

/** Returns the lines that the processes of the floor printed, and the mistakes in the journal of the floor. */
export const wrongFloor = async (
  floor: Pick<Floor, "said" | "broker">,
  expected: ReadonlyMap<string, Total>
): Promise<Array<string>> => {
  const wrong = [...floor.said(), ...(await wrongAccounts(floor.broker.url, expected))]
  return wrong.map((problem) => `floor: ${problem}`)
}
