import { type Ask, mistakesIn, post, type ReadAccount } from "./Shopper.ts"
import type { Sold } from "./Sold.ts"

const retryMilliseconds = 20
/** Of an edge that had to wait too long for the rest of a request, as when this process was frozen. */
const requestTimeout = 408

/** What clients sent and were told, in the order in which it happened. */
export class OperationLog {
  private readonly sales = new Map<string, Map<string, Sold>>()
  private readonly sentAt = new Map<Sold, number>()
  private readonly acknowledgedAt = new Map<Sold, number>()
  private clock = 0
  /** How many answers were no acknowledgement: unknown outcomes, broken connections, refusals. */
  failures = 0

  get acknowledged(): number {
    return this.acknowledgedAt.size
  }

  /** How many purchases of a user are acknowledged. */
  acknowledgedOf(user: string): number {
    let count = 0
    for (const sale of this.sales.get(user)?.values() ?? []) if (this.acknowledgedAt.has(sale)) count += 1
    return count
  }

  /** Sends a purchase again and again until it is acknowledged, or nobody wants to wait for that any more. */
  async sell(ask: Ask, sale: Sold, givenUp?: AbortSignal): Promise<void> {
    const ofUser = this.sales.get(sale.userId) ?? new Map<string, Sold>()
    this.sales.set(sale.userId, ofUser.set(sale.purchaseId, sale))
    this.clock += 1
    this.sentAt.set(sale, this.clock)
    while (true) {
      const answer = await post(ask, sale).catch(() => undefined)
      await answer?.arrayBuffer().catch(() => undefined)
      if (answer?.ok === true) break
      const isFinal = answer !== undefined && answer.status < 500 && answer.status !== requestTimeout
      if (isFinal) throw new Error(`${sale.purchaseId}: ${answer.status}`)
      this.failures += 1
      if (givenUp?.aborted === true) return
      await new Promise((resolve) => setTimeout(resolve, retryMilliseconds))
    }
    this.clock += 1
    this.acknowledgedAt.set(sale, this.clock)
  }

  /** What is wrong with a user's account, the order of its history included. */
  mistakesOf(user: string, account: ReadAccount): ReadonlyArray<string> {
    const sales = this.sales.get(user) ?? new Map<string, Sold>()
    const acknowledged = [...sales.values()].filter((sale) => this.acknowledgedAt.has(sale))
    const mistakes = [
      ...mistakesIn(
        account,
        sales,
        acknowledged.map(({ purchaseId }) => purchaseId)
      )
    ]
    // From the newest back: what comes later in the history must not have been acknowledged before this was sent.
    let earliest = { at: Infinity, purchaseId: "" }
    for (const { purchaseId } of account.entries.toReversed()) {
      const sale = sales.get(purchaseId)
      if (sale === undefined) continue
      if ((this.sentAt.get(sale) ?? 0) > earliest.at) mistakes.push(`${purchaseId} comes before ${earliest.purchaseId}`)
      const at = this.acknowledgedAt.get(sale) ?? Infinity
      if (at < earliest.at) earliest = { at, purchaseId }
    }
    return mistakes
  }
}
