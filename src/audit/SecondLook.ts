import { Effect } from "effect"
import { setIdOf } from "../account/Entry.ts"
import { AuditReader } from "../nats/AuditReader.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { revisionLinesOf, tokenOfLine } from "../protocol/Commit.ts"
import { decodePurchases } from "../protocol/PurchaseMessage.ts"
import { readRevision } from "../protocol/RevisionCodec.ts"
import { setIdText, type SuspectedDouble } from "./AccountAudit.ts"
import type { AuditFindings } from "./AuditFindings.ts"
import type { AuditPass } from "./AuditPass.ts"
import { indexOfPlace, placeText, sequenceOfPlace } from "./InputPlace.ts"

/** The most suspected doubles whose commits are read. So many doubles cannot all be hashes that are equal by chance. */
const doublesReadMax = 1_000

/** Returns how many entries with an id a commit has of a user. */
const entriesIn = (commit: string, userToken: string, setId: string): number =>
  revisionLinesOf(commit)
    .filter((line) => tokenOfLine(line) === userToken)
    .flatMap((line) => readRevision(line).purchases)
    .filter((entry) => setIdOf(entry) === setId).length

/** Reads the commits of two entries with equal hashes. Returns whether the entries have one id. */
const isDouble = Effect.fnUntraced(function* ({ userToken, setId, first, second }: SuspectedDouble) {
  const chain = yield* CommitChain
  const one = yield* chain.at(first)
  const other = yield* chain.at(second)
  if (one === undefined || other === undefined) return true
  if (first === second) return entriesIn(one.text, userToken, setId) > 1
  return entriesIn(one.text, userToken, setId) > 0 && entriesIn(other.text, userToken, setId) > 0
})

/**
 * Reads the entries that seem to be doubled, and adds the findings. Returns `false` if two different ids have equal
 * hashes. Then the findings of the pass do not count.
 */
export const confirmDoubles = Effect.fnUntraced(function* (
  doubles: ReadonlyArray<SuspectedDouble>,
  findings: AuditFindings
) {
  for (const [index, double] of doubles.entries()) {
    if (index < doublesReadMax && !(yield* isDouble(double))) return false
    const { userName, setId, first, second } = double
    const place = `commit ${second}, user ${userName}`
    findings.add(place, `${setIdText(setId)} counts twice: it is applied before in commit ${first}`)
  }
  return true
})

/** Returns the name of a request in a message for people, with its user. */
const requestText = (payload: Uint8Array | undefined, index: number): string => {
  const request = payload && decodePurchases(payload).purchases.find((one) => one.index === index)
  if (request === undefined) return "the request"
  const { purchase, reversal } = request
  return reversal === undefined
    ? `purchase ${purchase.purchaseId} of user ${purchase.userId}`
    : `reversal ${reversal.reversalId} of user ${reversal.userId}`
}

/** Reads the requests that were passed without a trace, and adds the findings with their names. */
export const nameLost = Effect.fnUntraced(function* ({ lost, lostCount }: AuditPass, findings: AuditFindings) {
  const reader = yield* AuditReader
  for (const { place, partition, isConflict } of lost) {
    const name = requestText(yield* reader.inputAt(sequenceOfPlace(place)), indexOfPlace(place))
    const problem = isConflict
      ? `${name} was applied before with another content, and has no rejected record`
      : `${name} has no entry and no rejected record`
    findings.add(`partition ${partition}, ${placeText(place)}`, problem)
  }
  findings.count += lostCount - lost.length
})
