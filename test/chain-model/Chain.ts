/**
 * The broker's side of the model: the input log, the chain of commits, and messages in flight whose sender no longer
 * waits. Each account sees the chain as a list of revisions. Two accounts may share commits in any way, because that
 * changes nothing that a worker does later. A take-over record repeats the position of the commit before it, so the
 * model keeps no trace of it. A take-over record only makes every expected sequence older.
 */
import type { HeadsStream, HeadsWrite } from "./Heads.ts"

export const users = ["ann", "bob"] as const
export type User = (typeof users)[number]
export type PerUser<Value> = Readonly<Record<User, Value>>

/**
 * One message of the input log, with at most one purchase or reversal of each user. The first letter is the id, and the
 * whole text is the content. Every purchase has two pieces. The text `x-p2` is a reversal with the id `x`, which takes
 * two pieces of purchase `p` back. The message at index 0 has sequence 1.
 */
export type Message = Readonly<Partial<Record<User, string>>>
export type Script = ReadonlyArray<Message>

export const purchaseAt = (script: Script, user: User, sequence: number): string | undefined =>
  script[sequence - 1]?.[user]

const piecesOfPurchase = 2

/** Returns the id of a purchase or reversal. */
export const idOf = (content: string): string => content.slice(0, 1)

/** Returns the pieces of a purchase that the entries of an account take back. */
export const takenBack = (contents: Iterable<string>, purchaseId: string): number => {
  let pieces = 0
  for (const content of contents) if (content.slice(1, 3) === `-${purchaseId}`) pieces += Number(content.slice(3))
  return pieces
}

export const isReversal = (content: string): boolean => content.includes("-")

/** Returns whether a reversal asks for more pieces of its purchase than the entries of an account leave. */
export const isRefused = (contents: ReadonlyArray<string>, reversal: string): boolean => {
  const purchaseId = reversal.slice(2, 3)
  const pieces = contents.some((content) => idOf(content) === purchaseId) ? piecesOfPurchase : 0
  return Number(reversal.slice(3)) > pieces - takenBack(contents, purchaseId)
}

/** Returns whether more pieces of a purchase are taken back than it has. */
export const isOverdrawn = (contents: ReadonlyArray<string>): boolean =>
  contents.some((content) => takenBack(contents, idOf(content)) > piecesOfPurchase)

/** Returns the name of the rejected record of a refused reversal. */
export const refusalName = (user: User, sequence: number): string => `refused ${sequence} ${user}`

/** One revision of an account. A purchase is named by the sequence of its message. */
export interface Revision {
  /** The purchases that this revision applies. */
  readonly adds: ReadonlyArray<number>
  /** All purchases of the account that the writer of the revision knew. */
  readonly entries: ReadonlyArray<number>
  /** The number of entries whose ids are in a segment. */
  readonly sealed: number
  readonly decidedThrough: number
  /** The number of deliveries that were counted as repeats or conflicts. */
  readonly repeats: number
  /** The names of the segment and of the rejected records that the revision needs. */
  readonly refers: ReadonlyArray<string>
}

export const noRevision: Revision = { adds: [], entries: [], sealed: 0, decidedThrough: 0, repeats: 0, refers: [] }

export interface Commit {
  readonly position: number
  readonly lines: PerUser<Revision | undefined>
  /** The number of revisions of each account after the commit, as the commit's writer counts them. */
  readonly digest: PerUser<number>
}

/** A commit that was published, and whose sender no longer waits. */
export interface LateCommit extends Commit {
  /**
   * The expected sequence minus the last sequence of the chain. If `ahead` is 0, the commit is stored when it arrives.
   * If `ahead` is negative, the commit is refused for ever.
   */
  readonly ahead: number
}

export interface Shared {
  /** The number of messages of the script that the input log has stored. */
  readonly stored: number
  /** The sequence up to which the input log is purged. */
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
  /** True while a worker has a read. Reads do not affect each other, so one read at a time shows all mistakes. */
  readonly isReading: boolean
  readonly faultsLeft: number
  readonly readsLeft: number
  readonly headsLeft: number
}

export const perUser = <Value>(of: (user: User) => Value): PerUser<Value> => ({ ann: of("ann"), bob: of("bob") })

/** Returns the number of revisions of each account in the chain. */
export const headsOf = ({ revisions }: Shared): PerUser<number> => perUser((user) => revisions[user].length)

/** Makes an expected sequence older by one, because a message was stored on the chain. */
export const oneOlder = <Expecting extends { readonly ahead: number }>(expecting: Expecting): Expecting => ({
  ...expecting,
  ahead: Math.max(-1, expecting.ahead - 1)
})

/** Stores a commit. The caller has checked the expectation of the commit. */
export const append = (shared: Shared, { position, lines, digest }: Commit): Shared => ({
  ...shared,
  position,
  digest,
  revisions: perUser((user) => {
    const line = lines[user]
    return line === undefined ? shared.revisions[user] : [...shared.revisions[user], line]
  })
})
