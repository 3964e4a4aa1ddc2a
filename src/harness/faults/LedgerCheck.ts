import { entryName } from "../EntryName.ts"
import { centsOf, contentOf, type Entry, isSentAs, type ReadAccount } from "../system/Shopper.ts"
import { Findings } from "./Findings.ts"
import type { Operations, SentContent, UserOperations } from "./Operations.ts"

/** A rejected record of the ledger. */
export interface RejectedRecord {
  /** The key of a rejected record: `rejected.<input sequence>.<index>`. */
  readonly key: string
  readonly payload: string
}

/**
 * An unreadable message that the fault run stored in the input log without an edge. `sequence` is the input sequence of
 * the message; `undefined` if the sequence is not known.
 */
export interface Poison {
  /** A text that occurs only in the payload of this message. */
  readonly token: string
  readonly sequence: number | undefined
}

/** The state of the ledger at the end of a fault run. */
export interface FinalLedger {
  readonly accounts: ReadonlyMap<string, ReadAccount>
  /** The accounts as they were read after every process was started again. */
  readonly accountsAfterRestart: ReadonlyMap<string, ReadAccount>
  readonly rejected: ReadonlyArray<RejectedRecord>
}

type Contents = ReadonlyMap<string, SentContent>

const earliest = (contents: Contents | undefined, time: "sentAt" | "acknowledgedAt"): number => {
  let least = Infinity
  for (const content of contents?.values() ?? []) least = Math.min(least, content[time])
  return least
}

const nobody: UserOperations = { purchases: new Map(), reversals: new Map(), answers: [] }

/** Returns the earliest time of all requests with the id of an entry, whatever the content of the request is. */
const earliestOf = (operations: UserOperations, entry: Entry, time: "sentAt" | "acknowledgedAt"): number =>
  entry.reversal === undefined
    ? earliest(operations.purchases.get(entry.purchaseId), time)
    : (operations.reversals.get(entry.reversal.reversalId)?.[time] ?? Infinity)

/** Returns the requests with the content of an entry; `undefined` if such a request was never sent. */
const sentOf = ({ purchases, reversals }: UserOperations, entry: Entry): SentContent | undefined => {
  if (entry.reversal === undefined) return purchases.get(entry.purchaseId)?.get(contentOf(entry))
  const sent = reversals.get(entry.reversal.reversalId)
  return sent !== undefined && sent.sentAt < Infinity && isSentAs(entry, sent.reversal) ? sent : undefined
}

/**
 * Checks the invariants I1 to I3: no purchase is lost, no entry counts twice, and each entry in the history was sent.
 */
const checkEntries = (userId: string, operations: UserOperations, account: ReadAccount, findings: Findings) => {
  const { purchases } = operations
  const found = new Set<string>()
  for (const entry of account.entries) {
    const name = `${userId}/${entryName(entry)}`
    if (found.has(entryName(entry))) findings.add("I2 doubled", name)
    found.add(entryName(entry))
    const sent = sentOf(operations, entry)
    if (sent === undefined) {
      const isSent = earliestOf(operations, entry, "sentAt") < Infinity
      findings.add("I3 phantom", isSent ? `${name} was sent with other content` : `${name} was never sent`)
      continue
    }
    // A purchase id belongs to the content that is stored first. So an account must not have a content that was sent
    // after another content with the same id was acknowledged.
    if (earliestOf(operations, entry, "acknowledgedAt") < sent.sentAt) {
      findings.add("I3 phantom", `${name} has the content that came second`)
    }
  }
  for (const [purchaseId, contents] of purchases) {
    const isAcknowledged = earliest(contents, "acknowledgedAt") < Infinity
    if (isAcknowledged && !found.has(purchaseId)) findings.add("I1 lost", `${userId}/${purchaseId}`)
  }
}

/**
 * Checks the invariant I4: the total, the count, the running totals and the totals in answers agree with the history.
 */
const checkSums = (userId: string, operations: UserOperations, account: ReadAccount, findings: Findings) => {
  const wrong = (what: string) => findings.add("I4 disagreeing", `${userId}: ${what}`)
  let sum = 0n
  for (const entry of account.entries) {
    const name = entryName(entry)
    sum += centsOf(entry)
    if (entry.runningTotal !== sum) wrong(`${name} says ${entry.runningTotal}, and the sum is ${sum}`)
    for (const told of sentOf(operations, entry)?.totals ?? []) {
      if (told !== entry.runningTotal) wrong(`${name} was answered ${told}, and is ${entry.runningTotal}`)
    }
  }
  if (account.total !== sum) wrong(`the total is ${account.total}, and the sum ${sum}`)
  if (account.count !== account.entries.length) wrong(`counts ${account.count} of ${account.entries.length}`)
}

/**
 * Checks the invariant I5: the history is numbered without a gap. An entry that was acknowledged before another entry
 * was sent comes before that entry in the history.
 */
const checkOrder = (userId: string, operations: UserOperations, account: ReadAccount, findings: Findings) => {
  for (const [index, entry] of account.entries.entries()) {
    const { number } = entry
    if (number !== index + 1)
      findings.add("I5 out of order", `${userId}/${entryName(entry)} is ${number} in place ${index + 1}`)
  }
  // The loop goes from the newest entry to the oldest. No entry may have been sent after a later entry of the history
  // was acknowledged.
  let later = { at: Infinity, name: "" }
  for (const entry of account.entries.toReversed()) {
    const name = entryName(entry)
    const sentAt = earliestOf(operations, entry, "sentAt")
    if (sentAt < Infinity && sentAt > later.at) {
      findings.add("I5 out of order", `${userId}/${name} comes before ${later.name}`)
    }
    const at = earliestOf(operations, entry, "acknowledgedAt")
    if (at < later.at) later = { at, name }
  }
}

/**
 * Checks the invariants I1 and I6 for reversals. An acknowledged reversal is applied, or has a rejected record. A
 * reversal that an answer refused must ask for more pieces than its purchase has left at the end.
 */
const checkReversals = (
  userId: string,
  { reversals }: UserOperations,
  account: ReadAccount,
  recorded: ReadonlySet<string>,
  findings: Findings
) => {
  const applied = new Set<string>()
  const left = new Map<string, number>()
  for (const { purchaseId, quantity, reversal } of account.entries) {
    if (reversal !== undefined) applied.add(reversal.reversalId)
    left.set(purchaseId, (left.get(purchaseId) ?? 0) + (reversal === undefined ? quantity : -quantity))
  }
  for (const [reversalId, { reversal, acknowledgedAt, isRefused }] of reversals) {
    if (applied.has(reversalId)) continue
    const name = `${userId}/reversal ${reversalId}`
    if (acknowledgedAt < Infinity && !recorded.has(reversalId)) findings.add("I1 lost", name)
    const pieces = left.get(reversal.purchaseId) ?? 0
    if (isRefused && (reversal.quantity ?? 1) <= pieces) {
      findings.add("I6 stale read", `${name} was refused, and ${pieces} of ${reversal.purchaseId} are left`)
    }
  }
}

/**
 * Returns a function that maps a time to the greatest value up to that time; 0 if all values are later. Each element of
 * `steps` is a time with a value.
 */
const greatestUntil = (steps: ReadonlyArray<readonly [number, number]>): ((time: number) => number) => {
  const sorted = steps.toSorted(([a], [b]) => a - b)
  const greatest: Array<number> = []
  for (const [index, [, value]] of sorted.entries()) greatest.push(Math.max(value, greatest[index - 1] ?? 0))
  return (time) => {
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((sorted[middle]?.[0] ?? Infinity) <= time) low = middle + 1
      else high = middle
    }
    return greatest[low - 1] ?? 0
  }
}

/**
 * Checks the invariant I6: each answer has a prefix of the history, with every entry that was acknowledged before
 * the request.
 */
const checkAnswers = (userId: string, operations: UserOperations, account: ReadAccount, findings: Findings) => {
  const { answers } = operations
  const sums = [0n]
  const sentUpTo = [0]
  const acknowledged: Array<readonly [number, number]> = []
  for (const [index, entry] of account.entries.entries()) {
    const sentAt = earliestOf(operations, entry, "sentAt")
    sums.push(entry.runningTotal)
    sentUpTo.push(Math.max(sentUpTo[index] ?? 0, sentAt === Infinity ? 0 : sentAt))
    const at = earliestOf(operations, entry, "acknowledgedAt")
    if (at < Infinity) acknowledged.push([at, index + 1])
  }
  const acknowledgedUntil = greatestUntil(acknowledged)
  const answeredUntil = greatestUntil(answers.map(({ answeredAt, count }) => [answeredAt, count]))
  for (const { askedAt, answeredAt, count, total, listed } of answers) {
    const wrong = (what: string) =>
      findings.add("I6 stale read", `${userId}: ${count} (asked at line ${askedAt}) ${what}`)
    const known = acknowledgedUntil(askedAt)
    const before = answeredUntil(askedAt)
    if (count < known) wrong(`though number ${known} was acknowledged`)
    if (count < before) wrong(`after ${before}`)
    if (sums[count] !== total) wrong(`with ${total} is no beginning of the history`)
    if ((sentUpTo[count] ?? 0) > answeredAt) wrong("holds what was not sent yet")
    if (listed === undefined) continue
    const newest = account.entries.slice(Math.max(0, count - listed.length), count).map(entryName)
    if (newest.toReversed().join() !== listed.join()) wrong("lists something else than the history")
  }
}

const differs = (one: ReadAccount, other: ReadAccount): boolean =>
  one.total !== other.total ||
  one.entries.length !== other.entries.length ||
  one.entries.some((entry, index) => {
    const same = other.entries[index]
    if (same === undefined || entryName(entry) !== entryName(same)) return true
    return contentOf(entry) !== contentOf(same) || entry.runningTotal !== same.runningTotal
  })

/** Returns the parsed JSON of a payload; an empty object if the payload is no JSON. */
const parsedOf = (payload: string): Partial<Record<string, unknown>> => {
  try {
    return JSON.parse(payload) ?? {}
  } catch {
    return {}
  }
}

/** Returns the ids of the reversals in rejected records, by user. */
const recordedReversals = (rejected: FinalLedger["rejected"]): ReadonlyMap<string, ReadonlySet<string>> => {
  const ids = new Map<string, Set<string>>()
  for (const { payload } of rejected) {
    const { userId, reversalId } = parsedOf(payload)
    if (typeof reversalId !== "string" || typeof userId !== "string") continue
    ids.set(userId, (ids.get(userId) ?? new Set()).add(reversalId))
  }
  return ids
}

const contentOfPayload = (payload: string): string | undefined => {
  try {
    return contentOf(JSON.parse(payload))
  } catch {
    return undefined
  }
}

/**
 * Checks that each acknowledged purchase that is not in the history has a rejected record. Checks that each unreadable
 * message has exactly one rejected record.
 */
const checkRecords = (
  { users }: Operations,
  { accounts, rejected }: FinalLedger,
  poisons: ReadonlyArray<Poison>,
  findings: Findings
) => {
  const recorded = new Set(rejected.map(({ payload }) => contentOfPayload(payload)))
  for (const [userId, { purchases }] of users) {
    const applied = new Set(accounts.get(userId)?.entries.map(contentOf))
    for (const [purchaseId, contents] of purchases) {
      for (const [content, { acknowledgedAt }] of contents) {
        // A purchase id with only one content needs no check here. The check of lost purchases reports the purchase if
        // it is missing in the history.
        if (contents.size === 1 || acknowledgedAt === Infinity || applied.has(content) || recorded.has(content))
          continue
        findings.add("I1 unrecorded", `${userId}/${purchaseId}: neither applied nor in a record`)
      }
    }
  }
  for (const { token, sequence } of poisons) {
    const keys = rejected.filter(({ payload }) => payload.includes(token)).map(({ key }) => key)
    const isRight = sequence === undefined ? keys.length <= 1 : keys.join() === `rejected.${sequence}.0`
    const name = keys.length > 1 ? "I2 recorded twice" : "I1 unrecorded"
    if (!isRight) findings.add(name, `poison ${token} at ${sequence ?? "?"} has the records [${keys.join()}]`)
  }
}

/** Compares the requests and answers of all clients with the final state of the ledger. */
export const checkInvariants = (
  operations: Operations,
  ledger: FinalLedger,
  poisons: ReadonlyArray<Poison> = []
): Findings => {
  const findings = new Findings()
  const empty: ReadAccount = { total: 0n, count: 0, entries: [] }
  const recorded = recordedReversals(ledger.rejected)
  for (const userId of new Set([...operations.users.keys(), ...ledger.accounts.keys()])) {
    const ofUser = operations.users.get(userId) ?? nobody
    const account = ledger.accounts.get(userId) ?? empty
    checkEntries(userId, ofUser, account, findings)
    checkReversals(userId, ofUser, account, recorded.get(userId) ?? new Set(), findings)
    checkSums(userId, ofUser, account, findings)
    checkOrder(userId, ofUser, account, findings)
    checkAnswers(userId, ofUser, account, findings)
    if (differs(account, ledger.accountsAfterRestart.get(userId) ?? empty)) {
      findings.add("I4 disagreeing", `${userId}: it is another account after everything was started again`)
    }
  }
  checkRecords(operations, ledger, poisons, findings)
  return findings
}
