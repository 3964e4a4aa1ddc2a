/** The broker's side of the model: the input log, the bucket, and batches on their way to it. */

export const users = ["ann", "bob"] as const
export type User = (typeof users)[number]

/**
 * One message of the input log, with at most one purchase a user: the letter is its purchaseId, the whole text its
 * content. The message at index 0 has sequence 1.
 */
export type Message = Readonly<Partial<Record<User, string>>>
export type Script = ReadonlyArray<Message>

export const purchaseAt = (script: Script, user: User, sequence: number): string | undefined =>
  script[sequence - 1]?.[user]

/** What a reader makes of an account. Purchases are named by the sequence of the message that brought them. */
export interface Account {
  readonly revision: number
  /** The purchases of the newest revision and of those that it names as before it: history and total. */
  readonly entries: ReadonlyArray<number>
  /** The purchases whose ids are in the purchaseId set. */
  readonly seen: ReadonlyArray<number>
  readonly decidedThrough: number
  /** How many deliveries were counted as repeats or conflicts. */
  readonly repeats: number
}

export interface StoredAccount extends Account {
  /** The purchases of all revisions that were ever written, in that order. */
  readonly applied: ReadonlyArray<number>
  /** The account before its newest revision, where a replica may still answer with it. */
  readonly older: Account | undefined
}

export const emptyAccount: StoredAccount = {
  revision: 0,
  entries: [],
  seen: [],
  decidedThrough: 0,
  repeats: 0,
  applied: [],
  older: undefined
}

/** What a batch writes of one user. The protocol writes account and set as one; the mistakes do not. */
export interface Write {
  readonly user: User
  readonly part: "both" | "account" | "set"
  /** Not checked in a write that stands alone: it has room for one condition, and that is the guard. */
  readonly expected: number | undefined
  readonly adds: ReadonlyArray<number>
  readonly account: Account
}

export interface BatchContent {
  readonly writes: ReadonlyArray<Write>
  readonly position: number | undefined
}

/** A batch that was sent. */
export interface Batch extends BatchContent {
  /** Whether `owner` is still at the revision that the batch names. Later writes of it are all different. */
  readonly guardHolds: boolean
}

export interface Ledger {
  /** How many messages of the script the input log has stored. */
  readonly stored: number
  /** Up to where the input log is purged. */
  readonly purged: number
  readonly position: number
  readonly accounts: Readonly<Record<User, StoredAccount>>
  /** Batches that nobody waits for any more, and that may still arrive. */
  readonly late: ReadonlyArray<Batch>
  /** One read is under way in some worker. More at once would not meet: a read changes nothing that another sees. */
  readonly isReading: boolean
  /** What may still happen. */
  readonly faultsLeft: number
  readonly readsLeft: number
}

export interface BrokerRules {
  readonly checksGuard: boolean
  readonly checksRevisions: boolean
  readonly keepsOlder: boolean
}

const writtenAccount = (stored: StoredAccount, { part, adds, account }: Write, keepsOlder: boolean): StoredAccount => {
  if (part === "set") return { ...stored, seen: account.seen }
  const { applied, older: _, ...before } = stored
  return {
    ...account,
    revision: stored.revision + 1,
    seen: part === "both" ? account.seen : stored.seen,
    applied: [...applied, ...adds],
    older: keepsOlder ? before : undefined
  }
}

/** What the broker makes of a batch when it arrives: all of it, or nothing where a condition does not hold. */
export const commit = (ledger: Ledger, batch: Batch, rules: BrokerRules): Ledger | undefined => {
  if (rules.checksGuard && !batch.guardHolds) return undefined
  const conflicts = batch.writes.some(
    ({ user, part, expected }) =>
      part !== "set" && expected !== undefined && expected !== ledger.accounts[user].revision
  )
  if (rules.checksRevisions && conflicts) return undefined
  const accounts = { ...ledger.accounts }
  for (const write of batch.writes) {
    accounts[write.user] = writtenAccount(accounts[write.user], write, rules.keepsOlder)
  }
  return { ...ledger, accounts, position: batch.position ?? ledger.position }
}
