import { decodeRule, RuleProblem } from "../../rules/Rule.ts"
import type { SentChange } from "../alerts/RuleChangeProblems.ts"
import { contentOf } from "../system/Shopper.ts"
import type { Reversed } from "../system/Sold.ts"
import type { Completed, Invoked, LogLine } from "./LogLine.ts"

/**
 * Sums up all requests with the same purchase id and the same content. All times are line numbers of the operation log.
 */
export interface SentContent {
  /** The line of the first request whose purchase may have been stored. */
  readonly sentAt: number
  /** The line of the first answer which says that the purchase is stored; `Infinity` if no answer says so. */
  readonly acknowledgedAt: number
  /** The account's totals, in cents, in the answers which say that the purchase is applied. */
  readonly totals: ReadonlySet<bigint>
}

/** Sums up all requests with the same reversal id. All requests with the same reversal id have the same content. */
export interface SentReversal extends SentContent {
  readonly reversal: Reversed
  /** Whether an answer says that too few pieces were left. */
  readonly isRefused: boolean
}

/** The total of an account, or the newest page of a history, in an answer to a client. */
export interface Answer {
  readonly askedAt: number
  readonly answeredAt: number
  readonly count: number
  readonly total: bigint
  readonly listed: ReadonlyArray<string> | undefined
}

export interface UserOperations {
  /**
   * The requests to buy, by purchase id and then by content. A purchase id has several contents if a client used the id
   * again for another purchase.
   */
  readonly purchases: Map<string, Map<string, SentContent>>
  /** The requests for reversals, by reversal id. */
  readonly reversals: Map<string, SentReversal>
  readonly answers: Array<Answer>
}

/** The content of an operation log in the form that the checker needs. */
export interface Operations {
  /**
   * The changes of rules, in the order in which they were sent. The times of changes are line numbers of the operation
   * log.
   */
  readonly changes: ReadonlyArray<SentChange>
  readonly users: Map<string, UserOperations>
  readonly ok: number
  readonly failed: number
  readonly unknown: number
  /** The longest time in which no purchase was acknowledged, in milliseconds. */
  readonly worstPause: number
}

const ofUser = (users: Map<string, UserOperations>, userId: string): UserOperations => {
  const known = users.get(userId) ?? { purchases: new Map(), reversals: new Map(), answers: [] }
  users.set(userId, known)
  return known
}

const changeOf = (invoked: Extract<Invoked, { readonly does: "change a rule" }>): SentChange => {
  const { owner, ruleId, rule: text } = invoked
  const rule = text === undefined ? undefined : decodeRule(text)
  if (rule instanceof RuleProblem) throw new Error(`the log has a malformed rule: ${rule.message}`)
  return { owner, ruleId, rule, outcome: "info", answeredAt: Infinity, sequence: undefined }
}

type Begun = Invoked & { readonly place: number }

/** Adds a request to the summary of the requests with the same content. */
const sentOnceMore = (
  before: SentContent | undefined,
  place: number,
  { outcome, total }: Completed,
  answerPlace: number
): SentContent => {
  const answeredAt = outcome === "ok" ? answerPlace : Infinity
  const totals = new Set(before?.totals)
  return {
    sentAt: Math.min(outcome === "fail" ? Infinity : place, before?.sentAt ?? Infinity),
    acknowledgedAt: Math.min(answeredAt, before?.acknowledgedAt ?? Infinity),
    totals: total === undefined ? totals : totals.add(BigInt(total))
  }
}

/**
 * Adds a request to buy whose purchase may have been stored. The answer to the request is in the line `answerPlace` of
 * the log.
 */
const addBought = (
  users: Map<string, UserOperations>,
  invoked: Begun,
  completed: Completed,
  answerPlace: number
): void => {
  if (invoked.does !== "buy" || completed.outcome === "fail") return
  const { sale } = invoked
  const { purchases } = ofUser(users, sale.userId)
  const contents = purchases.get(sale.purchaseId) ?? new Map<string, SentContent>()
  purchases.set(sale.purchaseId, contents)
  const content = contentOf(sale)
  contents.set(content, sentOnceMore(contents.get(content), invoked.place, completed, answerPlace))
}

/**
 * Adds a request for a reversal. A refused reversal is stored in the input log if a worker refused the reversal, and is
 * not stored if the edge refused the reversal.
 */
const addReversed = (
  users: Map<string, UserOperations>,
  invoked: Begun,
  completed: Completed,
  answerPlace: number
): void => {
  if (invoked.does !== "reverse") return
  const { reversal } = invoked
  const { reversals } = ofUser(users, reversal.userId)
  const before = reversals.get(reversal.reversalId)
  const isRefused = completed.status === 422 || before?.isRefused === true
  const sent = sentOnceMore(before, invoked.place, completed, answerPlace)
  reversals.set(reversal.reversalId, { ...sent, reversal, isRefused })
}

/**
 * Reads an operation log line by line. The result takes memory for each purchase, and not for each attempt to send a
 * purchase.
 */
export const readOperations = async (lines: AsyncIterable<LogLine> | Iterable<LogLine>): Promise<Operations> => {
  const users = new Map<string, UserOperations>()
  const open = new Map<number, Begun>()
  const changes = new Map<number, SentChange>()
  const outcomes = { ok: 0, fail: 0, info: 0 }
  let place = 0
  let progressAt: number | undefined
  let worstPause = 0

  const finished = (invoked: Begun, completed: Completed) => {
    const { outcome, sequence } = completed
    const change = changes.get(invoked.operation)
    if (change !== undefined) Object.assign(change, { outcome, sequence, answeredAt: place })
    if (invoked.does === "change a rule" || invoked.does === "change a webhook") return
    outcomes[completed.outcome] += 1
    addBought(users, invoked, completed, place)
    addReversed(users, invoked, completed, place)
    if (completed.outcome !== "ok" || invoked.does === "reverse") return
    if (invoked.does === "buy") {
      worstPause = Math.max(worstPause, completed.at - (progressAt ?? completed.at))
      progressAt = completed.at
      return
    }
    ofUser(users, invoked.userId).answers.push({
      askedAt: invoked.place,
      answeredAt: place,
      count: completed.count ?? 0,
      total: BigInt(completed.total ?? 0),
      listed: completed.listed
    })
  }

  for await (const line of lines) {
    place += 1
    if ("note" in line) continue
    if ("does" in line) {
      open.set(line.operation, { ...line, place })
      if (line.does === "change a rule") changes.set(line.operation, changeOf(line))
      continue
    }
    const invoked = open.get(line.operation)
    if (invoked === undefined) throw new Error(`the log ends operation ${line.operation}, which did not begin`)
    open.delete(line.operation)
    finished(invoked, line)
  }
  for (const invoked of open.values()) {
    finished(invoked, { operation: invoked.operation, at: invoked.at, outcome: "info" })
  }
  return {
    changes: [...changes.values()],
    users,
    ok: outcomes.ok,
    failed: outcomes.fail,
    unknown: outcomes.info,
    worstPause
  }
}
