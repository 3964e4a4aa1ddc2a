import type { Hono } from "hono"
import { entryName } from "../EntryName.ts"
import { postBody, type Reversed, type Sold } from "./Sold.ts"

/** A function that sends a request to an edge, by `app.request` or by `fetch` to a process. */
export type Ask = (path: string, init?: RequestInit) => Promise<Response>

/** Returns the function that sends requests to an edge in this process. */
export const askApp = (app: Hono): Ask => {
  return async (path, init) => app.request(path, init)
}

/** Returns the function that sends requests to an edge in another process. */
export const askAt = (port: number): Ask => {
  return (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init)
}

/** Posts a purchase, and returns the answer of the edge. */
export const post = async (ask: Ask, sale: Sold, headers: Record<string, string> = {}): Promise<Response> =>
  ask("/purchases", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: postBody(sale)
  })

/** Posts a reversal, and returns the answer of the edge. */
export const postReversal = async (
  ask: Ask,
  { userId, purchaseId, ...body }: Reversed,
  headers: Record<string, string> = {}
): Promise<Response> =>
  ask(`/users/${encodeURIComponent(userId)}/purchases/${encodeURIComponent(purchaseId)}/reversals`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body)
  })

/** An entry of a history, with its amounts in cents. A reversal has the content of its purchase. */
export interface Entry extends Sold {
  readonly number: number
  readonly runningTotal: bigint
  /** The part that only a reversal has; left out for a purchase. */
  readonly reversal?: { readonly reversalId: string; readonly reason: string }
}

/** An account with its whole history. */
export interface ReadAccount {
  readonly total: bigint
  /** The number of entries: purchases and reversals together. */
  readonly count: number
  /** The entries of the history, oldest first. */
  readonly entries: ReadonlyArray<Entry>
}

const amounts = new Set(["total", "value", "runningTotal", "totalDebt", "amount"])

/** Parses a JSON text. Reads amounts exactly as cents from their digits, without a float. */
// oxlint-disable-next-line typescript/no-explicit-any -- each test checks the values that it reads
export const exactJson = (text: string): any => {
  const revive = (key: string, value: unknown, context: { readonly source?: string }): unknown =>
    typeof value === "number" && amounts.has(key) ? BigInt((context.source ?? "").replace(".", "")) : value
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown)
}

/**
 * Reads a path again and again until the answer is 200, because a partition may have no owner for a moment. Throws an
 * Error after `tries` attempts.
 */
export const read = async (ask: Ask, path: string, tries = 6): Promise<ReturnType<typeof exactJson>> => {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await ask(path).catch((cause: unknown) => cause as Error)
    if (answer instanceof Response && answer.status === 200) return exactJson(await answer.text())
    if (attempt < tries && (answer instanceof Error || answer.status >= 503)) continue
    throw new Error(`GET ${path}: ${answer instanceof Response ? await answer.text() : answer.message}`)
  }
}

/** Returns the receipt of a purchase; `undefined` if the answer is 404. */
export const receiptOf = async (ask: Ask, userId: string, purchaseId: string) => {
  const path = `/users/${encodeURIComponent(userId)}/purchases/${encodeURIComponent(purchaseId)}`
  const answer = await ask(path)
  return answer.status === 404 ? undefined : exactJson(await answer.text())
}

/** Returns an entry from its parsed JSON. */
const entryOf = ({
  value,
  total: _total,
  storedAt: _storedAt,
  reversalId,
  reason,
  ...entry
}: ReturnType<typeof exactJson>): Entry => ({
  ...entry,
  valueCents: Number(value),
  ...(reversalId === undefined ? {} : { reversal: { reversalId, reason } })
})

/** Returns the change of the total by an entry, in cents. The change is negative for a reversal. */
export const centsOf = ({ valueCents, quantity, reversal }: Entry): bigint => {
  const cents = BigInt(valueCents) * BigInt(quantity)
  return reversal === undefined ? cents : -cents
}

/** Returns an account with its whole history, read page by page. */
export const readAccount = async (ask: Ask, userId: string, limit = 1000): Promise<ReadAccount> => {
  const newestFirst: Array<Entry> = []
  let path: string | undefined = `/users/${encodeURIComponent(userId)}/purchases?limit=${limit}`
  let page: { total: bigint; purchaseCount: number; reversalCount?: number } = { total: 0n, purchaseCount: 0 }
  while (path !== undefined) {
    const found = await read(ask, path)
    page = found
    newestFirst.push(...found.purchases.map(entryOf))
    path = found.next
  }
  const count = page.purchaseCount + (page.reversalCount ?? 0)
  return { total: page.total, count, entries: newestFirst.toReversed() }
}

/** Returns the content of a purchase as a text. Two purchases with the same content have the same text. */
export const contentOf = ({ purchaseId, userId, productName, productType, valueCents, quantity }: Sold): string =>
  JSON.stringify([purchaseId, userId, productName, productType, valueCents, quantity])

/** Returns whether an entry has the content of a sent purchase or reversal. */
export const isSentAs = (entry: Omit<Entry, "number" | "runningTotal">, sent: Sold | Reversed): boolean => {
  if (!("reversalId" in sent)) return contentOf(entry) === contentOf(sent)
  const { purchaseId, quantity, reason } = sent
  const isAsked = quantity === undefined || entry.quantity === quantity
  return isAsked && entry.purchaseId === purchaseId && entry.reversal?.reason === reason
}

/**
 * Compares an account with the requests that were sent and acknowledged, and returns a text for each difference.
 * `sales` are the purchases that were sent, by purchase id. `acknowledged` has the names of the entries that must be in
 * the history. `reversals` are the reversals that were sent, by name.
 */
export const mistakesIn = (
  account: ReadAccount,
  sales: ReadonlyMap<string, Sold>,
  acknowledged: Iterable<string>,
  reversals: ReadonlyMap<string, Reversed> = new Map()
): ReadonlyArray<string> => {
  const mistakes: Array<string> = []
  const found = new Set<string>()
  let sum = 0n
  for (const [index, { number, runningTotal, ...entry }] of account.entries.entries()) {
    const name = entryName(entry)
    sum += centsOf({ ...entry, number, runningTotal })
    if (number !== index + 1) mistakes.push(`${name} is number ${number} in place ${index + 1}`)
    if (runningTotal !== sum) mistakes.push(`${name}: the running total is ${runningTotal}, the sum ${sum}`)
    if (found.has(name)) mistakes.push(`${name} is there twice`)
    found.add(name)
    const sent = entry.reversal === undefined ? sales.get(name) : reversals.get(name)
    if (sent === undefined) mistakes.push(`${name} was never sent`)
    else if (!isSentAs(entry, sent)) mistakes.push(`${name} has another content`)
  }
  for (const name of acknowledged) if (!found.has(name)) mistakes.push(`${name} is lost`)
  if (account.count !== account.entries.length) {
    mistakes.push(`the count is ${account.count}, the history has ${account.entries.length}`)
  }
  if (account.total !== sum) mistakes.push(`the total is ${account.total}, the history sums to ${sum}`)
  return mistakes
}

/** Returns the mistakes in an account for which exactly the purchases `sales` were sent and acknowledged. */
export const mistakesAfter = (account: ReadAccount, sales: ReadonlyArray<Sold>): ReadonlyArray<string> => {
  const byId = new Map(sales.map((sale) => [sale.purchaseId, sale]))
  return mistakesIn(account, byId, byId.keys())
}
