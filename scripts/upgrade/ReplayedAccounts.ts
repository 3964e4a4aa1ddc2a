import { type Account, emptyAccount, evolve } from "../../src/account/Account.ts"
import { PurchaseIdSet } from "../../src/account/PurchaseIdSet.ts"
import { previousRevisionsMax, type Revision } from "../../src/account/Revision.ts"

/** Returns the newest sequences, as many as the next revision names. */
const newestOf = (sequences: ReadonlyArray<number>): Array<number> => sequences.slice(-previousRevisionsMax)

/**
 * The accounts of a pass, as far as they are replayed. For each user keeps the totals, the sequences of the newest 20
 * revisions, and the links of its segments. Keeps purchase ids only until a segment covers them.
 */
export class ReplayedAccounts {
  private readonly accounts = new Map<string, Account>()
  /** The users with ids that no segment covers; the user that was touched longest ago comes first. */
  private readonly unsealed = new Set<string>()
  private ids = 0

  get size(): number {
    return this.accounts.size
  }

  /** The number of purchase ids that no segment covers. */
  get unsealedIds(): number {
    return this.ids
  }

  of(userToken: string): Account {
    return this.accounts.get(userToken) ?? emptyAccount()
  }

  /** Takes a committed revision into an account. */
  committed(userToken: string, revision: Revision, sequence: number): void {
    const account = this.of(userToken)
    evolve(account, revision, sequence)
    this.accounts.set(userToken, account)
    this.ids += revision.purchases.length
    this.unsealed.delete(userToken)
    this.unsealed.add(userToken)
  }

  /** Forgets the ids of an account, because segments cover all ids of the account now. */
  sealed(userToken: string): void {
    const account = this.of(userToken)
    this.ids -= account.purchaseIds.size
    this.unsealed.delete(userToken)
    const idle = account.idle && newestOf(account.idle)
    const applying = newestOf(account.applying)
    this.accounts.set(userToken, { ...account, purchaseIds: new PurchaseIdSet(), applying, idle })
  }

  /** Returns the user with unsealed ids that was touched longest ago. */
  oldestUnsealed(): string | undefined {
    const [oldest] = this.unsealed
    return oldest
  }
}
