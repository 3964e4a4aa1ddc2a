import { entryName } from "../EntryName.ts"
import { type Ask, mistakesIn, post, postReversal, type ReadAccount } from "./Shopper.ts"
import type { Reversed, Sold } from "./Sold.ts"

const retryMilliseconds = 20
/** The status of a request whose body took too long, for example because this process was frozen. */
const requestTimeout = 408
/** The status of a reversal for which too few pieces are left. */
const moreThanLeft = 422

const nameOf = ({ purchaseId, ...sent }: Sold | Reversed): string =>
  entryName({ purchaseId, ...("reversalId" in sent && { reversal: sent }) })

/** Records the requests and answers of clients, in the order in which they happened. */
export class OperationLog {
  private readonly sales = new Map<string, Map<string, Sold>>()
  /** The reversals of each user, by their names. */
  private readonly reversals = new Map<string, Map<string, Reversed>>()
  private readonly sentAt = new Map<Sold | Reversed, number>()
  private readonly acknowledgedAt = new Map<Sold | Reversed, number>()
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
    await this.send(sale, () => post(ask, sale), givenUp)
  }

  /** Sends a reversal again and again until it is acknowledged or refused, or `givenUp` is aborted. */
  async reverse(ask: Ask, reversal: Reversed, givenUp?: AbortSignal): Promise<void> {
    const ofUser = this.reversals.get(reversal.userId) ?? new Map<string, Reversed>()
    this.reversals.set(reversal.userId, ofUser.set(nameOf(reversal), reversal))
    await this.send(reversal, () => postReversal(ask, reversal), givenUp, moreThanLeft)
  }

  /**
   * Returns the mistakes in a user's account, including the order of its history. `recorded` has the ids of the user's
   * reversals in rejected records.
   */
  mistakesOf(user: string, account: ReadAccount, recorded: ReadonlySet<string> = new Set()): ReadonlyArray<string> {
    const sales = this.sales.get(user) ?? new Map<string, Sold>()
    const reversals = this.reversals.get(user) ?? new Map<string, Reversed>()
    const acknowledged = [...sales.values(), ...reversals.values()]
      .filter((sent) => this.acknowledgedAt.has(sent))
      .filter((sent) => !("reversalId" in sent && recorded.has(sent.reversalId)))
    const mistakes = [...mistakesIn(account, sales, acknowledged.map(nameOf), reversals)]
    // The loop goes from the newest entry to the oldest. No entry may have been sent after a later entry of the history
    // was acknowledged.
    let earliest = { at: Infinity, name: "" }
    for (const entry of account.entries.toReversed()) {
      const name = entryName(entry)
      const sent = entry.reversal === undefined ? sales.get(name) : reversals.get(name)
      if (sent === undefined) continue
      if ((this.sentAt.get(sent) ?? 0) > earliest.at) mistakes.push(`${name} comes before ${earliest.name}`)
      const at = this.acknowledgedAt.get(sent) ?? Infinity
      if (at < earliest.at) earliest = { at, name }
    }
    return mistakes
  }

  /** Sends a request again and again until the status of an answer is a success or is `refused`. */
  private async send(
    request: Sold | Reversed,
    post: () => Promise<Response>,
    givenUp: AbortSignal | undefined,
    refused?: number
  ): Promise<void> {
    this.clock += 1
    this.sentAt.set(request, this.clock)
    while (true) {
      const answer = await post().catch(() => undefined)
      await answer?.arrayBuffer().catch(() => undefined)
      if (answer?.ok === true) break
      if (answer !== undefined && answer.status === refused) return
      const isFinal = answer !== undefined && answer.status < 500 && answer.status !== requestTimeout
      if (isFinal) throw new Error(`${nameOf(request)}: ${answer.status}`)
      this.failures += 1
      if (givenUp?.aborted === true) return
      await new Promise((resolve) => setTimeout(resolve, retryMilliseconds))
    }
    this.clock += 1
    this.acknowledgedAt.set(request, this.clock)
  }
}
