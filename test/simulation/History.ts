import { type Purchase, purchaseTotal, sameContent } from "../../src/domain/Purchase.ts"
import { decodePurchases } from "../../src/domain/PurchaseMessage.ts"
import { type AppliedPurchase, decodeRevision } from "../../src/domain/Revision.ts"
import { decodeToken, rejectedKey } from "../../src/domain/Subject.ts"
import type { InputMessage, LedgerMessage } from "./MemoryBroker.ts"

/** A purchase that a client sent: `fail` when it was told that it is surely not stored, `info` when it does not know. */
export interface Sent {
  readonly client: number
  readonly purchase: Purchase
  readonly sentAt: number
  outcome: "ok" | "fail" | "info"
  answeredAt: number
  /** The total after it, when the client was told that it is applied. */
  toldTotal?: bigint
}

/** A total, or a whole history, that a client was told. */
export interface Read {
  readonly client: number
  readonly userId: string
  readonly askedAt: number
  readonly answeredAt: number
  readonly total: bigint
  readonly count: number
  /** Newest first. */
  readonly entries: ReadonlyArray<string> | undefined
}

/** Sees each value that the ledger takes, also those that a janitor removes later, and what is wrong with them. */
export class LedgerWatch {
  readonly histories = new Map<string, Array<AppliedPurchase>>()
  readonly problems: Array<string> = []
  private readonly positions = new Map<number, number>()
  private readonly rejections = new Map<string, string>()

  stored({ key, value }: LedgerMessage): void {
    const [kind, name] = key.split(".")
    if (kind === "position") this.storedPosition(Number(name), value)
    else if (kind === "account" && name !== undefined) this.storedRevision(decodeToken(name), value)
    else if (kind === "rejected") this.rejections.set(key, value)
  }

  /** Holds an acknowledgement against the ledger: each purchase of the message is applied, or its record is written. */
  acknowledged({ sequence, payload }: InputMessage): void {
    const { purchases, unreadable } = decodePurchases(payload)
    const isRecorded = (index: number) => this.rejections.has(rejectedKey(sequence, index))
    const isApplied = ({ userId, purchaseId }: Purchase) =>
      this.histories.get(userId)?.some((applied) => applied.purchaseId === purchaseId) === true
    const early = [
      ...purchases.flatMap(({ index, purchase }) => (isApplied(purchase) || isRecorded(index) ? [] : [index])),
      ...unreadable.flatMap(({ index }) => (isRecorded(index) ? [] : [index]))
    ]
    if (early.length > 0)
      this.problems.push(`I8 acknowledged before it was written: input ${sequence}, ${early.join()}`)
  }

  positionOf(partition: number): number {
    return this.positions.get(partition) ?? 0
  }

  /** How many records of rejected input hold a text. One may be written again, by an epoch that reads its input again. */
  rejected(text: string): number {
    return [...this.rejections.values()].filter((value) => value.includes(text)).length
  }

  private storedPosition(partition: number, value: string): void {
    const { position } = JSON.parse(value) as { readonly position: number }
    const before = this.positionOf(partition)
    if (position < before) this.problems.push(`position of ${partition} went back from ${before} to ${position}`)
    this.positions.set(partition, position)
  }

  private storedRevision(userId: string, value: string): void {
    const revision = decodeRevision(value)
    const history = this.histories.get(userId) ?? []
    this.histories.set(userId, history)
    history.push(...revision.purchases)
    const sum = sumOf(history)
    if (revision.total !== sum)
      this.problems.push(`I4 ${userId}: a revision says ${revision.total}, its history ${sum}`)
    if (revision.count !== history.length) {
      this.problems.push(`I5 ${userId}: a revision counts ${revision.count} of ${history.length}`)
    }
  }
}

const sumOf = (purchases: ReadonlyArray<AppliedPurchase>): bigint => {
  let total = 0n
  for (const purchase of purchases) total += purchaseTotal(purchase)
  return total
}

const idOf = ({ userId, purchaseId }: Pick<Purchase, "userId" | "purchaseId">): string => `${userId}/${purchaseId}`

/** Holds what clients saw against what the ledger has in the end: I1 to I6 of the promise, and I8 of {@link LedgerWatch}. */
export const checkHistory = (
  { histories, problems: seen }: LedgerWatch,
  sent: ReadonlyArray<Sent>,
  reads: ReadonlyArray<Read>
): Array<string> => {
  const problems = [...seen]
  const placeOf = new Map<string, number>()
  for (const [userId, history] of histories) {
    let lastInput = 0
    for (const [place, applied] of history.entries()) {
      const id = `${userId}/${applied.purchaseId}`
      if (placeOf.has(id)) problems.push(`I2 doubled: ${id}`)
      placeOf.set(id, place)
      if (applied.inputSequence < lastInput) problems.push(`I5 out of the log's order: ${id}`)
      lastInput = applied.inputSequence
      const isSent = sent.some(
        ({ purchase, outcome }) => outcome !== "fail" && idOf(purchase) === id && sameContent(purchase, applied)
      )
      if (!isSent) problems.push(`I3 phantom: ${id}`)
    }
  }
  for (const { purchase, outcome, toldTotal } of sent) {
    const id = idOf(purchase)
    const place = placeOf.get(id)
    if (outcome === "ok" && place === undefined) problems.push(`I1 lost: ${id}`)
    if (toldTotal === undefined || place === undefined) continue
    const history = histories.get(purchase.userId)?.slice(0, place + 1) ?? []
    const applied = history.at(-1)
    if (sumOf(history) !== toldTotal) problems.push(`I6 told ${toldTotal} after ${id}, and it is ${sumOf(history)}`)
    if (applied !== undefined && !sameContent(applied, purchase)) problems.push(`I6 told of another content: ${id}`)
  }
  problems.push(...checkOrder(sent, placeOf), ...checkReads(histories, sent, reads, placeOf))
  return problems
}

const checkOrder = (sent: ReadonlyArray<Sent>, placeOf: ReadonlyMap<string, number>): Array<string> => {
  const problems: Array<string> = []
  const firsts = new Map<string, Sent>()
  for (const one of sent) {
    const id = idOf(one.purchase)
    if (!firsts.has(id)) firsts.set(id, one)
  }
  for (const [id, one] of firsts) {
    if (one.outcome !== "ok") continue
    const place = placeOf.get(id)
    for (const [otherId, other] of firsts) {
      if (one.purchase.userId !== other.purchase.userId || one.answeredAt >= other.sentAt) continue
      const otherPlace = placeOf.get(otherId)
      if (place !== undefined && otherPlace !== undefined && place > otherPlace) {
        problems.push(`I5 order: ${id} was acknowledged before ${otherId} was sent, and comes after it`)
      }
    }
  }
  return problems
}

const checkReads = (
  histories: ReadonlyMap<string, ReadonlyArray<AppliedPurchase>>,
  sent: ReadonlyArray<Sent>,
  reads: ReadonlyArray<Read>,
  placeOf: ReadonlyMap<string, number>
): Array<string> => {
  const problems: Array<string> = []
  for (const read of reads) {
    const history = (histories.get(read.userId) ?? []).slice(0, read.count)
    const isPrefix = history.length === read.count && sumOf(history) === read.total
    if (!isPrefix) problems.push(`I6 ${read.userId}: ${read.count} with ${read.total} is no prefix of the history`)
    const ids = history.map(({ purchaseId }) => purchaseId).toReversed()
    if (read.entries !== undefined && read.entries.join() !== ids.join()) {
      problems.push(`I6 ${read.userId}: the page ${read.entries.join()} is not ${ids.join()}`)
    }
    for (const { purchase, outcome, answeredAt } of sent) {
      if (purchase.userId !== read.userId || outcome !== "ok" || answeredAt >= read.askedAt) continue
      const place = placeOf.get(idOf(purchase))
      if (place !== undefined && place >= read.count) {
        problems.push(`I6 stale: ${purchase.purchaseId} was acknowledged before the read of ${read.count}`)
      }
    }
    for (const before of reads) {
      if (before.userId === read.userId && before.answeredAt < read.askedAt && before.count > read.count) {
        problems.push(`I6 back: ${read.userId} was ${before.count}, and then ${read.count}`)
      }
    }
  }
  return problems
}
