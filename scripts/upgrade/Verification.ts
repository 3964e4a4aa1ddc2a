import { isDeepStrictEqual } from "node:util"
import { Effect } from "effect"
import { revisionLinesOf } from "../../src/protocol/Commit.ts"
import type { HistoryCursor, LedgerEntry } from "../../src/protocol/Query.ts"
import { pageLimitMax } from "../../src/protocol/Query.ts"
import { decodeRejection } from "../../src/protocol/Rejection.ts"
import { decodeReplay } from "../../src/protocol/Replay.ts"
import type { AppliedId } from "../../src/account/PurchaseIdSet.ts"
import { previousRevisionsMax } from "../../src/account/Revision.ts"
import { partitionOf, replayedKey } from "../../src/protocol/Subject.ts"
import { AccountReader, namedRevision } from "../../src/ledger/AccountReader.ts"
import { Heads, type PartitionHeads } from "../../src/ledger/Heads.ts"
import { History, type HistoryPage } from "../../src/ledger/History.ts"
import { readPosition } from "../../src/ledger/Takeover.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { type RejectedKey, RejectedRecords } from "../../src/nats/RejectedRecords.ts"
import { accountDifference, formerAccountOf, revisionDifference, revisionSequences } from "./AccountComparison.ts"
import { type FormerLedger, formerFilter, type FormerValue, placeOfKey, tokenOfKey } from "./FormerLedger.ts"
import { decodeFormerRevision, type FormerRevision } from "./FormerRevision.ts"
import { eachRejection, stepContent, type WrittenRecords } from "./RecordsReplay.ts"
import { refuse } from "./UpgradeFailure.ts"

/** The most steps of one record that the product reads; three are usual. */
const replayStepsMax = 100
/** The accounts that are compared at once. The whole history of each compared account is in memory. */
const accountsAtOnce = 8
/** The revisions of one account that are read at once. */
const revisionsAtOnce = 16

export interface VerificationPlan {
  readonly former: FormerLedger
  readonly partitions: number
  /** Reports the progress after each page. */
  readonly progress: (text: string) => void
}

const differs = (what: string, difference: string) =>
  Effect.fail(refuse("failed", `The new layout differs from the former one: ${what}: ${difference}.`))

/** Reads all purchases of an account as the product does, newest first. */
const historyOf = Effect.fnUntraced(function* (userToken: string, newest: number) {
  const history = yield* History
  const entries: Array<LedgerEntry> = []
  for (let cursor: HistoryCursor | undefined = { revision: newest, taken: 0 }; cursor !== undefined;) {
    const page: HistoryPage | undefined = yield* history.page(userToken, cursor, pageLimitMax)
    if (page === undefined) return yield* differs(`account ${userToken}`, "its history has no beginning")
    for (const entry of page.entries) entries.push(entry)
    cursor = page.next
  }
  return entries
})

/** Reads the receipt of the newest purchase, and compares the receipt with the history. */
const verifyReceipt = Effect.fnUntraced(function* (
  userToken: string,
  newest: LedgerEntry | undefined,
  applied: AppliedId | undefined
) {
  if (newest === undefined || applied === undefined) return
  const history = yield* History
  const { entry } = yield* history.receipt(userToken, newest.purchaseId, applied)
  if (!isDeepStrictEqual(entry, newest)) yield* differs(`account ${userToken}`, "its newest receipt is another one")
})

/** Compares each revision of an account with the former revision of the same number. */
const verifyRevisions = Effect.fnUntraced(function* (
  userToken: string,
  former: ReadonlyArray<FormerRevision>,
  sequences: ReadonlyArray<number>
) {
  const reader = yield* AccountReader
  const verify = Effect.fnUntraced(function* (before: FormerRevision, index: number) {
    const { revision } = yield* namedRevision(reader, userToken, sequences[index] ?? 0)
    const first = Math.max(0, index - previousRevisionsMax)
    const difference = revisionDifference(before, revision, sequences.slice(first, index))
    if (difference !== undefined) yield* differs(`account ${userToken}`, `revision ${index + 1}: ${difference}`)
  })
  yield* Effect.forEach(former, verify, { discard: true, concurrency: revisionsAtOnce })
})

/** Compares one account, and returns the number of its revisions and purchases. */
const verifyAccount = Effect.fnUntraced(function* (former: FormerLedger, heads: PartitionHeads, first: FormerValue) {
  const reader = yield* AccountReader
  const userToken = tokenOfKey(first.key)
  const revisions = yield* former.valuesOf(first.key, first.sequence)
  const formerRevisions = revisions.map(({ text }) => decodeFormerRevision(text))
  const before = formerAccountOf(formerRevisions)
  const newest = heads.find(userToken)
  if (newest === 0) return yield* differs(`account ${userToken}`, "it is missing")
  const account = yield* reader.load(userToken, newest)
  const entries = yield* historyOf(userToken, newest)
  const difference = accountDifference(before, { account, entries })
  if (difference !== undefined) return yield* differs(`account ${userToken}`, difference)
  yield* verifyRevisions(userToken, formerRevisions, revisionSequences(account))
  yield* verifyReceipt(userToken, entries[0], entries[0] && account.purchaseIds.get(entries[0].purchaseId))
  return { revisions: before.revisions, purchases: before.count }
})

/** Opens the heads of a partition up to its last commit, after a comparison of the partition's position. */
const openPartition = Effect.fnUntraced(function* (former: FormerLedger, partition: number) {
  const chain = yield* CommitChain
  const before = yield* former.position(partition)
  const position = yield* readPosition(partition)
  if (position !== before) yield* differs(`partition ${partition}`, `position was ${before}, and is ${position}`)
  const last = (yield* chain.newest(partition))?.sequence ?? 0
  const heads = yield* Effect.flatMap(Heads, ({ open }) => open(partition, last))
  let lines = 0
  for (let from = 1; from <= last;) {
    const page = yield* chain.page(partition, from)
    for (const { text } of page) lines += revisionLinesOf(text).length
    from = (page.at(-1)?.sequence ?? last) + 1
  }
  return { heads, lines }
})

/**
 * Reads every account as the product does, from its head to its whole history, and compares each account with all
 * revisions of the former layout. Fails with the first difference. Writes the heads in the end.
 */
export const verifyAccounts = Effect.fnUntraced(function* ({ former, partitions, progress }: VerificationPlan) {
  const numbers = Array.from({ length: partitions }, (_, partition) => partition)
  const opened = yield* Effect.forEach(numbers, (partition) => openPartition(former, partition))
  const stored = opened.reduce((sum, { lines }) => sum + lines, 0)
  let read = 0
  const verified = { accounts: 0, revisions: 0, purchases: 0 }

  const verify = Effect.fnUntraced(function* (first: FormerValue) {
    const partition = opened[partitionOf(tokenOfKey(first.key), partitions)]
    if (partition === undefined) return
    const { revisions, purchases } = yield* verifyAccount(former, partition.heads, first)
    verified.accounts += 1
    verified.revisions += revisions
    verified.purchases += purchases
  })
  // Each account is compared when its first revision comes, so that no list of all accounts is needed.
  yield* former.eachPage(formerFilter.revisions, (page) => {
    read += page.length
    const firsts = page.filter(({ text }) => decodeFormerRevision(text).isFirst)
    return Effect.forEach(firsts, verify, { concurrency: accountsAtOnce, discard: true }).pipe(
      Effect.tap(() =>
        Effect.sync(() => progress(`${verified.purchases} purchases of ${verified.accounts} accounts compared`))
      )
    )
  })
  if (read !== verified.revisions)
    yield* differs("all accounts", `${verified.revisions} of ${read} revisions were compared`)
  if (read !== stored) yield* differs("all accounts", `revisions were ${read}, and are ${stored}`)
  yield* Effect.forEach(opened, ({ heads }) => heads.write, { discard: true })
  return verified
})

/** Compares the steps of one record's replay, and returns their number. */
const verifyReplay = Effect.fnUntraced(function* (former: FormerLedger, place: RejectedKey) {
  const records = yield* RejectedRecords
  const key = replayedKey(place.inputSequence, place.index)
  const before = (yield* former.valuesOf(key)).map(({ text }) => stepContent(decodeReplay(text)))
  // The product reads the oldest steps and the newest step of a very long trail.
  const trail = (yield* records.trail(place)).map(stepContent)
  const newest = yield* records.replay(place)
  const isSame =
    isDeepStrictEqual(trail, before.slice(0, Math.min(before.length, replayStepsMax))) &&
    isDeepStrictEqual(newest && stepContent(newest), before.at(-1))
  if (!isSame) yield* differs(`record ${place.inputSequence}/${place.index}`, "its replay is another one")
  return before.length
})

/** Compares every rejected record, and the steps of every replay. */
export const verifyRecords = Effect.fnUntraced(function* (former: FormerLedger, written: WrittenRecords) {
  const records = yield* RejectedRecords
  const verified = { rejected: 0, steps: 0 }

  const verify = Effect.fnUntraced(function* ({ key, text }: FormerValue) {
    const place = placeOfKey(key)
    const { sequence: _sequence, rejectedAt: _rejectedAt, ...rejection } = (yield* records.find(place)) ?? {}
    if (!isDeepStrictEqual(rejection, decodeRejection(text))) {
      yield* differs(`record ${place.inputSequence}/${place.index}`, "it is another one")
    }
    verified.rejected += 1
    verified.steps += yield* verifyReplay(former, place)
  })
  yield* eachRejection(former, verify)
  if (!isDeepStrictEqual(verified, written)) {
    const { rejected, steps } = verified
    yield* differs(
      "all records",
      `${rejected} records with ${steps} steps were compared, and ${written.rejected} with ${written.steps} written`
    )
  }
})
