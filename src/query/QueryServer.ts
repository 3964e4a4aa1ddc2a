import { Effect, Exit, Schema } from "effect"
import type { Account, SeenPurchase, StoredRevision } from "../domain/Account.ts"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import { type Answer, Answers, type Question, Questions } from "../domain/Query.ts"
import { encodeToken } from "../domain/Subject.ts"
import type { LedgerInconsistent } from "../ledger/AccountReader.ts"
import { entryOf, History } from "../ledger/History.ts"

/** What answering needs of the epoch that owns the partition. */
export interface AnsweringEpoch {
  /** Waits until everything that the broker has stored of the partition is in the mailboxes of its actors. */
  readonly current: Effect.Effect<void, BrokerFailure>
  /** Waits until the input up to a sequence is in the mailboxes of its actors. */
  readonly given: (inputSequence: number) => Effect.Effect<void>
  /** Waits until the actor of a user has committed what it was given, and looks at its account. */
  readonly look: <A>(userToken: string, look: (account: Account) => A) => Effect.Effect<A>
  /** Reads from the leader whether this epoch still owns the partition. */
  readonly stillOwner: Effect.Effect<boolean, BrokerFailure>
}

/** What an account says at one moment, as far as a question asks for it. */
interface Snapshot {
  readonly total: bigint
  readonly count: number
  readonly revision: number
  readonly seen: SeenPurchase | undefined
  readonly newest: StoredRevision | undefined
}

const snapshotFor =
  (question: Question) =>
  (account: Account): Snapshot => ({
    total: account.total,
    count: account.count,
    revision: account.revision,
    seen: "purchaseId" in question ? account.seen.get(question.purchaseId) : undefined,
    newest: account.newest === undefined ? undefined : { sequence: account.revision, revision: account.newest }
  })

/** The reply of one who may not, or cannot, answer: ask again, perhaps another serves the partition by then. */
export const notAnswered = ""

const decodeQuestions = Schema.decodeUnknownExit(Questions)
const encodeAnswers = Schema.encodeSync(Answers)

/**
 * Answers one request, or nothing when it may not or cannot: the asker tries again. The order of the steps is what
 * makes a strong answer: first the barrier, then the actors, and the owner's check after both.
 */
export const answerRequest = Effect.fnUntraced(function* (
  epoch: AnsweringEpoch,
  payload: string
): Effect.fn.Return<string | undefined, BrokerFailure | LedgerInconsistent, History> {
  const history = yield* History
  const request = decodeQuestions(payload)
  if (Exit.isFailure(request)) {
    yield* Effect.logWarning("a query was not readable").pipe(Effect.annotateLogs({ payload: payload.slice(0, 500) }))
    return undefined
  }

  const answer = Effect.fnUntraced(function* (
    question: Question
  ): Effect.fn.Return<Answer, BrokerFailure | LedgerInconsistent> {
    const userToken = encodeToken(question.userId)
    if (question.kind === "outcome") yield* epoch.given(question.inputSequence)
    const { total, count, revision, seen, newest } = yield* epoch.look(userToken, snapshotFor(question))
    switch (question.kind) {
      case "total":
        return { kind: "total", total, count, revision }
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
        const remembered = newest?.sequence === seen.revision ? entryOf(newest, question.purchaseId) : undefined
        if (remembered !== undefined) return { kind: "outcome", entry: remembered }
        const { entry } = yield* history.receipt(userToken, question.purchaseId, seen)
        return { kind: "outcome", entry }
      }
    }
  })

  const { consistency, questions } = request.value
  if (consistency === "strong") yield* epoch.current
  const answers = yield* Effect.forEach(questions, answer, { concurrency: "unbounded" })
  const isOwner = consistency !== "strong" || (yield* epoch.stillOwner)
  return isOwner ? encodeAnswers(answers) : undefined
})
