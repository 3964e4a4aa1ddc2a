import { type Ask, mistakesIn, post, type ReadAccount } from "./Shopper.ts"
import type { Sold } from "./Sold.ts"

const retryMilliseconds = 20
/** The status of a request whose body took too long, for example because this process was frozen. */
const requestTimeout = 408

/** Records the requests and answers of clients, in the order in which they happened. */
export class OperationLog {
  private readonly sales = new Map<string, Map<string, Sold>>()
  private readonly sentAt = new Map<Sold, number>()
  private readonly acknowledgedAt = new Map<Sold, number>()
  private clock = 0
  /** The number of requests without an acknowledgement, because of unknown outcomes, broken connections or refusals. */
  failures = 0

  get acknowledged(): number {
    return this.acknowledgedAt.size
  }

  /** Returns the number of acknowledged purchases of a user. */
  acknowledgedOf(user: string): number {
    let count = 0
    for (const sale of this.sales.get(user)?.values() ?? []) if (this.acknowledgedAt.has(sale)) count += 1
    return count
  }

  /** Sends a purchase again and again until it is acknowledged, or `givenUp` is aborted. */
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

  /** Returns the mistakes in a user's account, including the order of its history. */
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
    // The loop goes from the newest purchase to the oldest. No later purchase of the history may have been acknowledged
    // before this purchase was sent.
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
