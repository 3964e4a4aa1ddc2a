import { sameContent } from "../account/Purchase.ts"
import { type Reversal, readReversal } from "../account/Reversal.ts"
import type { AppliedPurchase } from "../account/Revision.ts"
import { revisionLinesOf, tokenOfLine } from "../protocol/Commit.ts"
import { isOfReversal, type Rejection } from "../protocol/Rejection.ts"
import { readRevision } from "../protocol/RevisionCodec.ts"
import { commitPrefix, decodeToken } from "../protocol/Subject.ts"
import { entryName } from "./EntryName.ts"
import type { Problem } from "./Invariant.ts"

/** A reversal in a rejected record, with its place in the input log. */
export interface RecordedReversal {
  readonly reversal: Reversal
  readonly inputSequence: number
  readonly inputIndex: number
}

type Place = Pick<AppliedPurchase, "inputSequence" | "inputIndex">

/** Returns a number below 0 if `one` is before `other` in the input log, and 0 if both are the same place. */
export const comparePlaces = (one: Place, other: Place): number =>
  one.inputSequence - other.inputSequence || one.inputIndex - other.inputIndex

/** Returns the reversal of a rejected record; `undefined` if the record is of a purchase or unreadable. */
export const recordedReversal = (rejection: Rejection): RecordedReversal | undefined => {
  if (!isOfReversal(rejection)) return undefined
  const { payload, encoding, inputSequence, index } = rejection
  const text = encoding === "text" ? payload : Buffer.from(payload, "base64").toString("utf8")
  const reversal = readReversal(JSON.parse(text))
  return reversal && { reversal, inputSequence, inputIndex: index }
}

/** Returns whether an applied reversal has the content of a requested reversal. */
export const sameReversal = (
  { purchaseId, reversal: applied }: Pick<AppliedPurchase, "purchaseId" | "reversal">,
  { purchaseId: asked, quantity = 0, reason }: Reversal
): boolean => purchaseId === asked && applied?.asked === quantity && applied.reason === reason

/** Returns the number of pieces of a purchase that the entries of a history take back. */
const takenBack = (history: ReadonlyArray<AppliedPurchase>, purchaseId: string): number =>
  history.reduce(
    (sum, entry) => (entry.reversal !== undefined && entry.purchaseId === purchaseId ? sum + entry.quantity : sum),
    0
  )

const purchaseIn = (history: ReadonlyArray<AppliedPurchase>, purchaseId: string): AppliedPurchase | undefined =>
  history.find((entry) => entry.reversal === undefined && entry.purchaseId === purchaseId)

/**
 * Returns the problems of the reversals in a history, oldest entry first. Each reversal must come after its purchase,
 * and have the content of the purchase. Each reversal must take back as many pieces as its request asks for, or all
 * pieces that were left. A purchase never has more pieces taken back than it has.
 */
export const reversalProblems = (userId: string, history: ReadonlyArray<AppliedPurchase>): Array<Problem> => {
  const problems: Array<Problem> = []
  for (const [index, entry] of history.entries()) {
    const { reversal, purchaseId, quantity } = entry
    if (reversal === undefined) continue
    const name = `${userId}/${entryName(entry)}`
    const earlier = history.slice(0, index)
    const purchase = purchaseIn(earlier, purchaseId)
    if (purchase === undefined) {
      problems.push(`I3 phantom: ${name} reverses ${purchaseId}, which is not applied before it`)
      continue
    }
    const left = purchase.quantity - takenBack(earlier, purchaseId)
    if (quantity > left)
      problems.push(`I4 disagreeing: ${name} takes back ${quantity} of ${purchaseId}, of which ${left} are left`)
    else if (quantity !== (reversal.asked === 0 ? left : reversal.asked)) {
      problems.push(`I4 disagreeing: ${name} takes back ${quantity} of ${left}, and asks for ${reversal.asked}`)
    }
    if (!sameContent({ ...purchase, quantity }, entry)) {
      problems.push(`I4 disagreeing: ${name} has another content than ${purchaseId}`)
    }
  }
  return problems
}

/**
 * Returns the problems of a reversal in a rejected record, given the history of its user. The record is right if the
 * reversal is a conflict, or had to be refused at its place in the input log. A reversal has to be refused if its
 * purchase is not applied before the reversal, or if too few pieces are left. The texts must be short, because the
 * check does not know refusals of reversals of one message that are too large together.
 */
export const recordProblems = (
  userId: string,
  history: ReadonlyArray<AppliedPurchase>,
  recorded: RecordedReversal
): Array<Problem> => {
  const { reversal, inputSequence, inputIndex } = recorded
  const { reversalId, purchaseId } = reversal
  const name = `${userId}/reversal ${reversalId}`
  const place = `${inputSequence}.${inputIndex}`
  const known = history.find((entry) => entry.reversal?.reversalId === reversalId)
  if (known !== undefined && comparePlaces(known, recorded) <= 0) {
    const isConflict = comparePlaces(known, recorded) < 0 && !sameReversal(known, reversal)
    return isConflict ? [] : [`I2 doubled: ${name} is applied, and is in the rejected record of ${place}`]
  }
  const earlier = history.filter((entry) => comparePlaces(entry, recorded) < 0)
  const purchase = purchaseIn(earlier, purchaseId)
  if (purchase === undefined) return []
  const left = purchase.quantity - takenBack(earlier, purchaseId)
  if (left < (reversal.quantity ?? 1)) return []
  return [`I1 lost: ${name} is refused at ${place}, though ${left} of ${purchaseId} were left`]
}

/** Returns whether a recorded reversal was refused. A recorded reversal that was not refused is a conflict. */
export const isRefused = (history: ReadonlyArray<AppliedPurchase>, recorded: RecordedReversal): boolean =>
  !history.some(
    (entry) => entry.reversal?.reversalId === recorded.reversal.reversalId && comparePlaces(entry, recorded) < 0
  )

/** Returns the problems of all reversals of a ledger, given the commits of its journal and its rejected records. */
export const ledgerReversalProblems = (
  journal: Iterable<{ readonly subject: string; readonly text: string }>,
  rejections: ReadonlyArray<Rejection>
): Array<Problem> => {
  const histories = new Map<string, Array<AppliedPurchase>>()
  for (const { subject, text } of journal) {
    if (!subject.startsWith(commitPrefix)) continue
    for (const line of revisionLinesOf(text)) {
      const userId = decodeToken(tokenOfLine(line))
      const history = histories.get(userId) ?? []
      histories.set(userId, history)
      history.push(...readRevision(line).purchases)
    }
  }
  const recorded = rejections.flatMap((rejection) => recordedReversal(rejection) ?? [])
  return [
    ...[...histories].flatMap(([userId, history]) => reversalProblems(userId, history)),
    ...recorded.flatMap((one) => recordProblems(one.reversal.userId, histories.get(one.reversal.userId) ?? [], one))
  ]
}
