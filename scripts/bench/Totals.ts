import type { Workload } from "./Workload.ts"
import { purchaseAt } from "./Workload.ts"

/** What an account has to say. */
export interface Total {
  readonly count: number
  readonly cents: bigint
}

/** The content of a purchase, as far as totals need it. */
interface Counted {
  readonly userId: string
  readonly purchaseId: string
  readonly valueCents: bigint
  readonly quantity: number
}

const readsAtOnce = 16
const readTriesMax = 30
const wrongNamedMax = 10

/** Adds purchases up by nothing but their ids and amounts, to hold the ledger against. */
export const totalsOf = (purchases: Iterable<Counted>): Map<string, Total> => {
  const applied = new Set<string>()
  const totals = new Map<string, Total>()
  for (const { userId, purchaseId, valueCents, quantity } of purchases) {
    const id = `${userId} ${purchaseId}`
    if (applied.has(id)) continue
    applied.add(id)
    const before = totals.get(userId) ?? { count: 0, cents: 0n }
    totals.set(userId, { count: before.count + 1, cents: before.cents + valueCents * BigInt(quantity) })
  }
  return totals
}

function* purchasesOf(workload: Workload) {
  for (let index = 0; index < workload.purchases; index += 1) yield purchaseAt(workload, index)
}

/** The totals that a workload has to end in. */
export const totalsOfWorkload = (workload: Workload): Map<string, Total> => totalsOf(purchasesOf(workload))

/** Reads the answer of `GET /users/{id}/total` without a float. */
export const totalIn = (body: string): Total | undefined => {
  const amount = /"total":(-?[0-9]+)\.([0-9]{2})[,}]/.exec(body)
  const count = /"purchaseCount":([0-9]+)[,}]/.exec(body)
  return amount === null || count === null
    ? undefined
    : { count: Number(count[1]), cents: BigInt(`${amount[1]}${amount[2]}`) }
}

/** A strong read of a total over HTTP. An edge that says it is not current in time is asked again. */
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

/** Reads every total and names those that are not what they have to be. */
export const wrongTotals = async (edgeUrl: string, expected: ReadonlyMap<string, Total>): Promise<Array<string>> => {
  const wrong: Array<string> = []
  const rest = expected.entries()
  const reader = async () => {
    for (const [userId, { count, cents }] of rest) {
      const total = await readTotal(edgeUrl, userId)
      if (total.count === count && total.cents === cents) continue
      wrong.push(`${userId} has ${total.count} purchases of ${total.cents} cents, not ${count} of ${cents}`)
    }
  }
  await Promise.all(Array.from({ length: readsAtOnce }, reader))
  const more = wrong.length - wrongNamedMax
  return more > 0 ? [...wrong.slice(0, wrongNamedMax), `and ${more} more totals are wrong`] : wrong
}
