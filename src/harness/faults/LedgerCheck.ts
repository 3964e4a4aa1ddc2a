import { contentOf, type ReadAccount } from "../system/Shopper.ts"
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

const nobody: UserOperations = { purchases: new Map(), answers: [] }

/**
 * Checks the invariants I1 to I3: no purchase is lost, no purchase counts twice, and each purchase in the history was
 * sent.
 */
const checkEntries = (userId: string, { purchases }: UserOperations, account: ReadAccount, findings: Findings) => {
  const found = new Set<string>()
  for (const entry of account.entries) {
    const name = `${userId}/${entry.purchaseId}`
    if (found.has(entry.purchaseId)) findings.add("I2 doubled", name)
    found.add(entry.purchaseId)
    const contents = purchases.get(entry.purchaseId)
    const sent = contents?.get(contentOf(entry))
    if (sent === undefined) {
      findings.add(
        "I3 phantom",
        contents === undefined ? `${name} was never sent` : `${name} was sent with other content`
      )
      continue
    }
    // A purchase id belongs to the content that is stored first. So an account must not have a content that was sent
    // after another content with the same id was acknowledged.
    if (earliest(contents, "acknowledgedAt") < sent.sentAt) {
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
const checkSums = (userId: string, { purchases }: UserOperations, account: ReadAccount, findings: Findings) => {
  const wrong = (what: string) => findings.add("I4 disagreeing", `${userId}: ${what}`)
  let sum = 0n
  for (const entry of account.entries) {
    sum += BigInt(entry.valueCents) * BigInt(entry.quantity)
    if (entry.runningTotal !== sum) wrong(`${entry.purchaseId} says ${entry.runningTotal}, and the sum is ${sum}`)
    for (const told of purchases.get(entry.purchaseId)?.get(contentOf(entry))?.totals ?? []) {
      if (told !== entry.runningTotal) wrong(`${entry.purchaseId} was answered ${told}, and is ${entry.runningTotal}`)
    }
  }
  if (account.total !== sum) wrong(`the total is ${account.total}, and the sum ${sum}`)
  if (account.count !== account.entries.length) wrong(`counts ${account.count} of ${account.entries.length}`)
}

/**
 * Checks the invariant I5: the history is numbered without a gap. A purchase that was acknowledged before another
 * purchase was sent comes before that purchase in the history.
 */
const checkOrder = (userId: string, { purchases }: UserOperations, account: ReadAccount, findings: Findings) => {
  for (const [index, { number, purchaseId }] of account.entries.entries()) {
    if (number !== index + 1)
      findings.add("I5 out of order", `${userId}/${purchaseId} is ${number} in place ${index + 1}`)
  }
  // The loop goes from the newest purchase to the oldest. No purchase may have been sent after a later purchase of the
  // history was acknowledged.
  let later = { at: Infinity, purchaseId: "" }
  for (const { purchaseId } of account.entries.toReversed()) {
    const contents = purchases.get(purchaseId)
    const sentAt = earliest(contents, "sentAt")
    if (sentAt < Infinity && sentAt > later.at) {
      findings.add("I5 out of order", `${userId}/${purchaseId} comes before ${later.purchaseId}`)
    }
    const at = earliest(contents, "acknowledgedAt")
    if (at < later.at) later = { at, purchaseId }
  }
}

/**
 * Returns a function that maps a time to the greatest value up to that time; 0 before the first pair. `steps` has pairs
 * of a time and a value.
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
 * Checks the invariant I6: each answer has a prefix of the history, with every purchase that was acknowledged before
 * the request.
 */
const checkAnswers = (userId: string, operations: UserOperations, account: ReadAccount, findings: Findings) => {
  const { purchases, answers } = operations
  const sums = [0n]
  const sentUpTo = [0]
  const acknowledged: Array<readonly [number, number]> = []
  for (const [index, { purchaseId, runningTotal }] of account.entries.entries()) {
    const contents = purchases.get(purchaseId)
    const sentAt = earliest(contents, "sentAt")
    sums.push(runningTotal)
    sentUpTo.push(Math.max(sentUpTo[index] ?? 0, sentAt === Infinity ? 0 : sentAt))
    const at = earliest(contents, "acknowledgedAt")
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
    const newest = account.entries.slice(Math.max(0, count - listed.length), count).map(({ purchaseId }) => purchaseId)
    if (newest.toReversed().join() !== listed.join()) wrong("lists something else than the history")
  }
}

const differs = (one: ReadAccount, other: ReadAccount): boolean =>
  one.total !== other.total ||
  one.entries.length !== other.entries.length ||
  one.entries.some((entry, index) => {
    const same = other.entries[index]
    return same === undefined || contentOf(entry) !== contentOf(same) || entry.runningTotal !== same.runningTotal
  })

const contentOfPayload = (payload: string): string | undefined => {
  try {
    return contentOf(JSON.parse(payload))
  } catch {
    return undefined
  }
}

/**
 * Checks that each acknowledged purchase outside of the history has a rejected record. Checks that each unreadable
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
        // If the id of a purchase had only one content, the purchase is lost, and the check of I1 reports the loss.
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
  for (const userId of new Set([...operations.users.keys(), ...ledger.accounts.keys()])) {
    const ofUser = operations.users.get(userId) ?? nobody
    const account = ledger.accounts.get(userId) ?? empty
    checkEntries(userId, ofUser, account, findings)
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
