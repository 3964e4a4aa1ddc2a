/**
 * The broker's side of the model: the input log, the chain of commits, and publishes that nobody waits for any more.
 *
 * The chain is kept as each account sees it: a list of revisions. How revisions of two accounts share commits changes
 * nothing that a worker does later. A take-over record repeats the position of the commit before it, so it leaves no
 * trace here; it only makes every sequence older that somebody expects.
 */
import type { HeadsStream, HeadsWrite } from "./Heads.ts"

export const users = ["ann", "bob"] as const
export type User = (typeof users)[number]
export type PerUser<Value> = Readonly<Record<User, Value>>

/**
 * One message of the input log, with at most one purchase a user. The first letter is the purchaseId, the whole text the
 * content. The message at index 0 has sequence 1.
 */
export type Message = Readonly<Partial<Record<User, string>>>
export type Script = ReadonlyArray<Message>

export const purchaseAt = (script: Script, user: User, sequence: number): string | undefined =>
  script[sequence - 1]?.[user]

/** One revision of an account. Purchases are named by the sequence of the message that brought them. */
export interface Revision {
  /** The purchases that this revision applies. */
  readonly adds: ReadonlyArray<number>
  /** All purchases of the account, as the writer of the revision knew them. */
  readonly entries: ReadonlyArray<number>
  /** How many of the entries have their ids in a segment. */
  readonly sealed: number
  readonly decidedThrough: number
  /** How many deliveries were counted as repeats or conflicts. */
  readonly repeats: number
  /** Names of the segment and of the rejected records that the revision relies on. */
  readonly refers: ReadonlyArray<string>
}

export const noRevision: Revision = { adds: [], entries: [], sealed: 0, decidedThrough: 0, repeats: 0, refers: [] }

export interface Commit {
  readonly position: number
  readonly lines: PerUser<Revision | undefined>
  /** The number of each account's revisions after it, as its writer counts them. */
  readonly digest: PerUser<number>
}

/** A commit that was published, and that nobody waits for. */
export interface LateCommit extends Commit {
  /** The expected sequence less the sequence of the chain's end: 0 is stored when it arrives, less is refused for ever. */
  readonly ahead: number
}

export interface Shared {
  /** How many messages of the script the input log has stored. */
  readonly stored: number
  /** Up to which sequence the input log is purged. */
  readonly purged: number
  /** The position in the newest commit. */
  readonly position: number
  readonly revisions: PerUser<ReadonlyArray<Revision>>
  /** The number of each account's revisions, as the writer of the newest commit counted them. */
  readonly digest: PerUser<number>
  /** The segments and rejected records that are stored, by name. */
  readonly written: ReadonlyArray<string>
  readonly late: ReadonlyArray<LateCommit>
  readonly heads: HeadsStream
  readonly lateHeads: ReadonlyArray<HeadsWrite>
  /** True while some worker has a read. Two reads never meet, so one at a time shows everything. */
  readonly isReading: boolean
  readonly faultsLeft: number
  readonly readsLeft: number
  readonly headsLeft: number
}

export const perUser = <Value>(of: (user: User) => Value): PerUser<Value> => ({ ann: of("ann"), bob: of("bob") })

/** Returns how many revisions the chain holds of each account. */
export const headsOf = ({ revisions }: Shared): PerUser<number> => perUser((user) => revisions[user].length)

/** Makes an expected sequence one older, because a message was stored on the chain. */
export const oneOlder = <Expecting extends { readonly ahead: number }>(expecting: Expecting): Expecting => ({
  ...expecting,
  ahead: Math.max(-1, expecting.ahead - 1)
})

/** Stores a commit; the caller has checked its expectation. */
export const append = (shared: Shared, { position, lines, digest }: Commit): Shared => ({
  ...shared,
  position,
  digest,
  revisions: perUser((user) => {
    const line = lines[user]
    return line === undefined ? shared.revisions[user] : [...shared.revisions[user], line]
  })
})
