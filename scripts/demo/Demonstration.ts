import { decimalOf } from "../../src/client/Amount.ts"
import type { HistoryEntry } from "../../src/client/Answers.ts"
import type { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { addedUp } from "./Audit.ts"
import type { Report } from "./Report.ts"

/** The client and the report that each step of the demo uses. */
export interface Demonstration {
  readonly client: PurchaseClient
  readonly report: Report
  /** Returns the id of a user who did not exist before. */
  readonly newUser: (name: string) => string
}

/** An account of a user, whose total was compared with its whole history. */
export interface Audited {
  /** The purchases of the history, oldest first. */
  readonly entries: ReadonlyArray<HistoryEntry>
  readonly cents: bigint
}

/** The number of purchases on a page of the history: the most that the service gives. */
const pagePurchases = 1_000

/**
 * Reads a user's whole history. Claims that the history has `purchases` entries, and that the total is the sum of the
 * entries.
 */
export const expectExact = async (
  { client, report }: Demonstration,
  userId: string,
  purchases: number
): Promise<Audited> => {
  const entries = (await Array.fromAsync(client.history(userId, { pagePurchases }))).toReversed()
  const cents = addedUp(entries)
  report.expect(
    `purchases in the history, numbered 1 to ${purchases}, each with an id of its own`,
    entries.length,
    purchases
  )
  const account = await client.total(userId)
  report.expect("total, the same as all pages of the history added up in cents", account.total, decimalOf(cents))
  return { entries, cents }
}
