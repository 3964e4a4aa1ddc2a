import { Effect, Exit, Schema } from "effect"
import { type Account, revisionsAfter } from "../domain/Account.ts"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import type { SeenPurchase } from "../domain/PurchaseIdSet.ts"
import { type Reply, Replies, type Question, Questions } from "../domain/Query.ts"
import { encodeToken } from "../domain/Subject.ts"
import type { LedgerInconsistent } from "../ledger/AccountReader.ts"
import { History } from "../ledger/History.ts"
import { type ApplyingRevisions, TotalsBefore } from "../ledger/TotalsBefore.ts"

/** A look at an account: it reads what it needs, and keeps nothing of it. */
export interface Look<A> {
  readonly userToken: string
  readonly look: (account: Account) => A
}

/** What answering needs of the epoch that owns the partition. */
export interface AnsweringEpoch {
  /**
   * The sequence of the newest input that was stored, be it purged since: read from the leader, where the log has
   * something that the actors had not been given; else what they had been given, or what is applied, if that is more.
   */
  readonly newestInput: Effect.Effect<number, BrokerFailure>
  /** The input sequence up to which everything is in the mailboxes of its actors. */
  readonly through: () => number
  /** Waits until the input up to a sequence is in the mailboxes of its actors. */
  readonly given: (inputSequence: number) => Effect.Effect<void>
  /** Looks at the account of each user when its actor has committed what it was given; answers when all have. */
  readonly lookAll: <A>(looks: ReadonlyArray<Look<A>>) => Effect.Effect<ReadonlyArray<A>>
  /** Reads from the leader whether this epoch still owns the partition. */
  readonly stillOwner: Effect.Effect<boolean, BrokerFailure>
}

/** What an account says at one moment, as far as a question asks for it. */
interface Snapshot {
  readonly total: bigint
  readonly count: number
  readonly revision: number
  readonly seen: SeenPurchase | undefined
  readonly applying: ApplyingRevisions
  readonly following: ReadonlyArray<number>
}

const snapshotFor =
  (question: Question) =>
  (account: Account): Snapshot => ({
    total: account.total,
    count: account.count,
    revision: account.revision,
    seen: "purchaseId" in question ? account.seen.get(question.purchaseId) : undefined,
    applying: { sequences: account.applying, count: account.applying.length },
    following: question.kind === "revisions" ? revisionsAfter(account, question.after, question.limit) : []
  })

const totalOf = ({ total, count, revision }: Snapshot): Reply => ({ kind: "total", total, count, revision })

/** The reply of one who may not, or cannot, answer: ask again, perhaps another serves the partition by then. */
export const notAnswered = ""

const decodeQuestions = Schema.decodeUnknownExit(Questions)
const encodeAnswers = Schema.encodeSync(Replies)

/**
 * A look that holds everything that was stored before it was asked for; nothing when the epoch is over. What the actors
 * had been given before the look is in it, so one look is enough where nothing newer was stored by the time of a read of
 * the log after that; else they are given what is newer, and looked at once more. The owner's check comes last: what
 * another owner has applied may be purged, and then neither the log nor our own position shows it.
 */
export const lookStrong = Effect.fnUntraced(function* <A>(epoch: AnsweringEpoch, look: Effect.Effect<A>) {
  const through = epoch.through()
  let seen = yield* look
  const newest = yield* epoch.newestInput
  if (newest > through) {
    yield* epoch.given(newest)
    seen = yield* look
  }
  return (yield* epoch.stillOwner) ? seen : undefined
})

/** A look that holds everything that is in the chain, by the word of its owner; `undefined` if the epoch is over. */
const lookOwned = <A>(epoch: AnsweringEpoch, look: Effect.Effect<A>) =>
  Effect.flatMap(look, (seen) => Effect.map(epoch.stillOwner, (isOwner) => (isOwner ? seen : undefined)))

/** The answer to a question that takes more than the account as its actor holds it. */
const readOn = Effect.fnUntraced(function* (
  history: (typeof History)["Service"],
  totalsBefore: (typeof TotalsBefore)["Service"],
  question: Exclude<Question, { readonly kind: "total" }>,
  snapshot: Snapshot
): Effect.fn.Return<Reply, BrokerFailure | LedgerInconsistent> {
  const { total, count, revision, seen, applying } = snapshot
  const userToken = encodeToken(question.userId)
  switch (question.kind) {
    case "page": {
      if (revision === 0 && question.place === undefined) return { kind: "page", total, count, revision, entries: [] }
      const place = question.place ?? { revision, taken: 0 }
      const page = yield* history.page(userToken, place, question.limit)
      return page === undefined
        ? { kind: "refused", reason: "place" }
        : { kind: "page", total, count, revision, ...page }
    }
    case "receipt":
      return seen === undefined
        ? { kind: "receipt" }
        : { kind: "receipt", receipt: yield* history.receipt(userToken, question.purchaseId, seen) }
    case "outcome": {
      if (seen === undefined) return { kind: "outcome" }
      const { entry } = yield* history.receipt(userToken, question.purchaseId, seen)
      return { kind: "outcome", entry }
    }
    case "revisions":
      return { kind: "revisions", sequences: snapshot.following }
    case "totalsBefore":
      return {
        kind: "totalsBefore",
        revision,
        totals: yield* totalsBefore.read(userToken, applying, question.moments)
      }
  }
})

/** Replies one request, or nothing when it may not or cannot: the asker tries again. */
export const answerRequest = Effect.fnUntraced(function* (
  epoch: AnsweringEpoch,
  payload: string
): Effect.fn.Return<string | undefined, BrokerFailure | LedgerInconsistent, History | TotalsBefore> {
  const history = yield* History
  const totalsBefore = yield* TotalsBefore
  const request = decodeQuestions(payload)
  if (Exit.isFailure(request)) {
    yield* Effect.logWarning("a query was not readable").pipe(Effect.annotateLogs({ payload: payload.slice(0, 500) }))
    return undefined
  }

  const { consistency, questions } = request.value
  const given = Math.max(0, ...questions.map((question) => (question.kind === "outcome" ? question.inputSequence : 0)))
  if (given > 0) yield* epoch.given(given)
  const look = epoch.lookAll(
    questions.map((question) => ({ userToken: encodeToken(question.userId), look: snapshotFor(question) }))
  )
  // A reader of revisions needs what is committed, and not what is stored and waits to be applied.
  const isOfRevisions = questions.every(({ kind }) => kind === "revisions")
  const lookCurrent = isOfRevisions ? lookOwned(epoch, look) : lookStrong(epoch, look)
  const snapshots = yield* consistency === "strong" ? lookCurrent : look
  if (snapshots === undefined) return undefined
  const answers: Array<Reply> = []
  const readingOn: Array<Effect.Effect<void, BrokerFailure | LedgerInconsistent>> = []
  for (const [index, question] of questions.entries()) {
    const snapshot = snapshots[index] as Snapshot
    if (question.kind === "total") answers[index] = totalOf(snapshot)
    else
      readingOn.push(
        Effect.map(readOn(history, totalsBefore, question, snapshot), (answer) => void (answers[index] = answer))
      )
  }
  yield* Effect.all(readingOn, { concurrency: "unbounded", discard: true })
  return encodeAnswers(answers)
})
