import { Effect, Exit, Schema } from "effect"
import { type Account, revisionsAfter } from "../account/Account.ts"
import type { SealMarks } from "../account/SealMarks.ts"
import { reversalSetId } from "../account/Entry.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { AppliedId } from "../account/PurchaseIdSet.ts"
import {
  type AccountQuestion,
  type Consistency,
  Questions,
  receiptReversalsMax,
  Replies,
  type Reply,
  type UsersQuestion
} from "../protocol/Query.ts"
import { encodeToken } from "../protocol/Subject.ts"
import type { LedgerInconsistent } from "../ledger/AccountReader.ts"
import { History } from "../ledger/History.ts"
import { HistorySearch } from "../ledger/HistorySearch.ts"
import { UserPages } from "../ledger/UserPages.ts"
import { type ApplyingRevisions, TotalsBefore } from "../ledger/TotalsBefore.ts"
import { type EpochReads, lookCommitted, lookStrong } from "./EpochReads.ts"

/** The most UTF-16 units of an unreadable payload that are logged. */
const payloadLoggedMax = 500

/** The data of an account that the reply to a question needs, as of one moment. */
interface Snapshot {
  readonly total: bigint
  readonly count: number
  readonly reversals: number
  /** When the broker stored the newest applied purchase, in milliseconds since 1970; 0 before the first purchase. */
  readonly storedThrough: number
  readonly revision: number
  /** The applied purchase that the question names; `undefined` if the account has no such purchase. */
  readonly seen: AppliedId | undefined
  readonly applying: ApplyingRevisions
  readonly marks: SealMarks | undefined
  /** The sequences of the revisions that the question asks for. */
  readonly following: ReadonlyArray<number>
}

/** Returns the id in the purchaseId set that a question names. */
const askedSetId = (question: { readonly purchaseId: string } | { readonly reversalId: string }): string =>
  "reversalId" in question ? reversalSetId(question.reversalId) : question.purchaseId

const seenBy = (question: AccountQuestion, { purchaseIds }: Account): AppliedId | undefined =>
  question.kind === "receipt" || question.kind === "reversals" || question.kind === "outcome"
    ? purchaseIds.get(askedSetId(question))
    : undefined

const snapshotFor =
  (question: AccountQuestion) =>
  (account: Account): Snapshot => ({
    total: account.total,
    count: account.count,
    reversals: account.reversals,
    storedThrough: account.storedThrough,
    revision: account.revisionSequence,
    seen: seenBy(question, account),
    applying: { sequences: account.applying, count: account.applying.length },
    marks: account.marks,
    following: question.kind === "revisions" ? revisionsAfter(account, question.after, question.limit) : []
  })

const totalOf = ({ total, count, reversals, revision }: Snapshot): Reply => ({
  kind: "total",
  total,
  count,
  reversals,
  revision
})

/**
 * The payload with which an owner declines to answer. An edge that gets the empty payload asks its questions again, and
 * may reach the next owner.
 */
export const notAnswered = ""

const unreadable: Reply = { kind: "refused", reason: "unreadable" }

/**
 * Returns the reply from a read of one account. If the records of the account cannot be read, only the question about
 * this account is refused.
 */
const unlessUnreadable = <R>(
  reading: Effect.Effect<Reply, BrokerFailure | LedgerInconsistent, R>
): Effect.Effect<Reply, BrokerFailure, R> =>
  Effect.catchTag(reading, "LedgerInconsistent", ({ problem }) =>
    Effect.as(Effect.logError("an account cannot be read").pipe(Effect.annotateLogs({ problem })), unreadable)
  )

const decodeQuestions = Schema.decodeUnknownExit(Questions)
const encodeReplies = Schema.encodeSync(Replies)

/** The services with which replies are read from the journal. */
export type JournalReads = History | HistorySearch | TotalsBefore | UserPages

/**
 * Returns the reply to a question for which the snapshot is not enough. Reads the data that the snapshot lacks from the
 * journal.
 */
const readOn = Effect.fnUntraced(function* (
  question: Exclude<AccountQuestion, { readonly kind: "total" }>,
  snapshot: Snapshot
): Effect.fn.Return<Reply, BrokerFailure | LedgerInconsistent, JournalReads> {
  const history = yield* History
  const { total, count, reversals, revision, seen, applying, marks } = snapshot
  const userToken = encodeToken(question.userId)
  switch (question.kind) {
    case "page": {
      const head = { kind: "page", total, count, reversals, revision } as const
      if (revision === 0 && question.place === undefined) return { ...head, entries: [] }
      const place = question.place ?? { revision, taken: 0 }
      const page = yield* history.page(userToken, place, question.limit)
      return page === undefined ? { kind: "refused", reason: "place" } : { ...head, ...page }
    }
    case "search": {
      const account = { applying, marks, newest: { number: count, storedAt: snapshot.storedThrough } }
      const page = yield* (yield* HistorySearch).page(userToken, account, question)
      return page === undefined
        ? { kind: "refused", reason: "place" }
        : { kind: "search", total, count, reversals, revision, ...page }
    }
    case "receipt": {
      if (seen === undefined) return { kind: "receipt" }
      if ("reversals" in question) {
        const page = yield* history.receiptPage(userToken, question.purchaseId, seen, { limit: receiptReversalsMax })
        return { kind: "receipt", ...page }
      }
      return { kind: "receipt", receipt: yield* history.receipt(userToken, askedSetId(question), seen) }
    }
    case "reversals": {
      if (seen === undefined) return { kind: "reversals" }
      const page = yield* history.receiptPage(userToken, question.purchaseId, seen, question)
      return page === undefined ? { kind: "refused", reason: "place" } : { kind: "reversals", ...page }
    }
    case "outcome": {
      if (seen === undefined) return { kind: "outcome" }
      const { entry } = yield* history.receipt(userToken, askedSetId(question), seen)
      return { kind: "outcome", entry }
    }
    case "revisions":
      return { kind: "revisions", sequences: snapshot.following }
    case "totalsBefore":
      return {
        kind: "totalsBefore",
        revision,
        totals: yield* (yield* TotalsBefore).read(userToken, applying, question.moments)
      }
  }
})

/** Returns the snapshots for questions, in the order of the questions. Returns `undefined` if the epoch is over. */
const snapshotsFor = Effect.fnUntraced(function* (
  reads: EpochReads,
  consistency: Consistency,
  questions: ReadonlyArray<AccountQuestion>
) {
  const inputs = questions.map((question) => (question.kind === "outcome" ? question.inputSequence : 0))
  const wanted = Math.max(0, ...inputs)
  if (wanted > 0) yield* reads.untilDispatched(wanted)
  const look = reads.lookAll(
    questions.map((question) => ({ userToken: encodeToken(question.userId), look: snapshotFor(question) }))
  )
  if (consistency !== "strong") return yield* look
  // Readers of revisions need committed revisions only, so they need not wait for input that is not applied.
  const isOfRevisions = questions.every(({ kind }) => kind === "revisions")
  return yield* isOfRevisions ? lookCommitted(reads, look) : lookStrong(reads, look)
})

/**
 * Returns a page of the users of the partition. An old owner may lack users, so the ownership is checked after the read.
 * Returns `undefined` if the epoch is over.
 */
const readUsers = Effect.fnUntraced(function* (
  { users: { heads, partitions }, stillOwner }: EpochReads,
  { partition, from, mark = heads.mark, limit, prefix }: UsersQuestion
): Effect.fn.Return<Reply | undefined, BrokerFailure, UserPages> {
  if (mark !== heads.mark) return { kind: "refused", reason: "place" }
  const { users, next } = yield* (yield* UserPages).page(heads, { from, limit, prefix: encodeToken(prefix) })
  if (!(yield* stillOwner)) return undefined
  if (next !== undefined) return { kind: "users", users, next: { partition, from: next, mark } }
  return partition + 1 < partitions
    ? { kind: "users", users, next: { partition: partition + 1, from: 0 } }
    : { kind: "users", users }
})

/**
 * Returns the payload with the replies to the questions of one request. Returns `undefined` if this worker must not
 * answer, or cannot read the questions.
 */
export const answerQuestions = Effect.fnUntraced(function* (
  reads: EpochReads,
  payload: string
): Effect.fn.Return<string | undefined, BrokerFailure, JournalReads> {
  const request = decodeQuestions(payload)
  if (Exit.isFailure(request)) {
    const shown = payload.slice(0, payloadLoggedMax)
    yield* Effect.logWarning("could not read the questions of an edge").pipe(Effect.annotateLogs({ payload: shown }))
    return undefined
  }

  const { consistency, questions: asked } = request.value
  const [first] = asked
  // A question about users is the only question of its request.
  if (first?.kind === "users")
    return yield* Effect.map(readUsers(reads, first), (reply) => reply && encodeReplies([reply]))
  const questions = asked.filter((question) => question.kind !== "users")
  const snapshots = yield* snapshotsFor(reads, consistency, questions)
  if (snapshots === undefined) return undefined
  const replies: Array<Reply> = []
  const readingOn: Array<Effect.Effect<void, BrokerFailure, JournalReads>> = []
  for (const [index, question] of questions.entries()) {
    const snapshot = snapshots[index]
    if (snapshot === undefined) replies[index] = unreadable
    else if (question.kind === "total") replies[index] = totalOf(snapshot)
    else {
      const reading = unlessUnreadable(readOn(question, snapshot))
      readingOn.push(Effect.map(reading, (reply) => void (replies[index] = reply)))
    }
  }
  yield* Effect.all(readingOn, { concurrency: "unbounded", discard: true })
  return encodeReplies(replies)
})
