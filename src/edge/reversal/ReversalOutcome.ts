import { Effect } from "effect"
import type { Reversal } from "../../account/Reversal.ts"
import type { Published } from "../../intake/PublishResult.ts"
import type { LedgerEntry, Receipt } from "../../protocol/Query.ts"
import { readReceipt, reversalOutcomeWithin } from "../account/AccountReads.ts"
import { isReversalEntry, type ReversalEntry } from "../contract/AnswerBodies.ts"
import { moreThanLeft, type Problem, problem } from "../contract/Problem.ts"
import { type Located, reversalReference } from "../contract/Reference.ts"

/** An applied reversal. `isRepeat`: the same reversal was applied before, and the repeat does not count again. */
export interface AppliedReversal {
  readonly entry: ReversalEntry
  readonly isRepeat: boolean
}

/** Returns the problem of a reversal whose purchase is not applied. */
const missingPurchase = ({ userId, purchaseId }: Reversal): Problem<"not-found"> =>
  problem(
    "not-found",
    `User ${userId} has no purchase ${purchaseId}, so nothing was reversed. GET /users/{id}/purchases lists the purchases.`
  )

/** Returns the problem of a refused reversal whose purchase has enough pieces left now. */
const refusedAtItsTime = ({ userId, purchaseId }: Reversal): Problem<"refused-by-rules"> =>
  problem(
    "refused-by-rules",
    `The reversal came before purchase ${purchaseId} of user ${userId}, or with too many others at once. Nothing was reversed; send it again.`
  )

const piecesText = (pieces: number): string => (pieces === 1 ? "1 piece" : `${pieces} pieces`)

const tooFewLeft = ({ userId, purchaseId, quantity = 1 }: Reversal, left: number): Problem<"more-than-left"> =>
  moreThanLeft(
    left === 0
      ? `All pieces of purchase ${purchaseId} of user ${userId} were taken back before. Nothing was reversed.`
      : `Purchase ${purchaseId} of user ${userId} has ${piecesText(left)} left, and the reversal asks for ${quantity}. Nothing was reversed; ask for at most ${left}.`,
    left
  )

/**
 * Returns why a purchase cannot be reversed as a reversal asks; `undefined` if the purchase can be reversed. `receipt`
 * is the receipt of the purchase.
 */
export const refusalOf = (
  reversal: Reversal,
  receipt: Receipt | undefined
): Problem<"not-found" | "more-than-left"> | undefined => {
  if (receipt === undefined) return missingPurchase(reversal)
  const left = receipt.entry.quantity - receipt.reversed
  return left < (reversal.quantity ?? 1) ? tooFewLeft(reversal, left) : undefined
}

const askedText = (asked: number): string => (asked === 0 ? "all pieces" : piecesText(asked))

/**
 * Compares a reversal with the entry that its account has under the same id. Returns a problem if the content of the
 * reversal and of the entry differ.
 */
export const sameReversalAs = (
  located: Located,
  reversal: Reversal,
  entry: LedgerEntry
): ReversalEntry | Problem<"conflicting-reversal"> => {
  if (!isReversalEntry(entry)) throw new Error("the entry of a reversal's id is a reversal")
  const { userId, reversalId, purchaseId, quantity = 0, reason } = reversal
  const known = entry.reversal
  if (entry.purchaseId === purchaseId && known.asked === quantity && known.reason === reason) return entry
  return problem(
    "conflicting-reversal",
    `The reversalId ${reversalId} of user ${userId} was used before for ${askedText(known.asked)} of purchase ${entry.purchaseId} with the reason ${JSON.stringify(known.reason)}. Nothing was reversed; use a new id for a new reversal.`,
    { location: reversalReference(located, userId, reversalId) }
  )
}

/**
 * Asks the owner for the outcome of a stored reversal. Returns `undefined` if no answer comes within
 * `waitMilliseconds`. Fails with the reason if the reversal was refused. A reversal is refused, for example, if another
 * reversal took the pieces after the purchase was read.
 */
export const appliedReversalWithin = Effect.fnUntraced(function* (
  located: Located,
  reversal: Reversal,
  published: Published,
  waitMilliseconds: number
) {
  const outcome = yield* reversalOutcomeWithin(reversal, published.sequence, waitMilliseconds)
  if (outcome === undefined) return undefined
  if (outcome === "refused") {
    const { receipt } = yield* readReceipt(reversal.userId, reversal.purchaseId, "strong")
    return refusalOf(reversal, receipt) ?? refusedAtItsTime(reversal)
  }
  const entry = sameReversalAs(located, reversal, outcome)
  if (!("reversal" in entry)) return entry
  const isFirst = entry.inputSequence === published.sequence && entry.inputIndex === published.index
  return { entry, isRepeat: !isFirst || published.duplicate } satisfies AppliedReversal
})
