import type { Purchase } from "../../src/domain/Purchase.ts"
import { purchaseTotal, sameContent } from "../../src/domain/Purchase.ts"
import { decodeRevision } from "../../src/domain/Revision.ts"
import { decodeToken } from "../../src/domain/Subject.ts"
import type { MemoryBroker } from "./MemoryBroker.ts"

/** A purchase that a client sent: `ok` when it was told that it is stored, `info` when it does not know. */
export interface Sent {
  readonly client: number
  readonly purchase: Purchase
  readonly sentAt: number
  outcome: "ok" | "fail" | "info"
  answeredAt: number
}

/** A total or the count of a history that a client was told. */
export interface Read {
  readonly client: number
  readonly userId: string
  readonly askedAt: number
  readonly answeredAt: number
  readonly total: bigint
  readonly count: number
}

export interface Applied extends Pick<Purchase, "productName" | "productType" | "valueCents" | "quantity"> {
  readonly purchaseId: string
  readonly inputSequence: number
}

/** What the ledger says of each user in the end, revision by revision, and what is wrong with its revisions. */
export const readLedger = (broker: MemoryBroker) => {
  const histories = new Map<string, Array<Applied>>()
  const problems: Array<string> = []
  const positions = new Map<string, number>()
  for (const { key, value } of broker.ledger) {
    if (key.startsWith("position.")) {
      const { position } = JSON.parse(value) as { readonly position: number }
      if (position < (positions.get(key) ?? 0)) problems.push(`${key} went back to ${position}`)
      positions.set(key, position)
    }
    if (!key.startsWith("account.")) continue
    const revision = decodeRevision(value)
    const userId = decodeToken(key.slice("account.".length))
    const history = histories.get(userId) ?? []
    histories.set(userId, history)
    history.push(...revision.purchases)
    const sum = history.reduce((total, purchase) => total + purchaseTotal(purchase), 0n)
    if (revision.total !== sum) problems.push(`I4 ${userId}: a revision says ${revision.total}, its history ${sum}`)
    if (revision.count !== history.length) {
      problems.push(`I5 ${userId}: a revision counts ${revision.count} of ${history.length}`)
    }
  }
  return { histories, problems }
}

/** Holds what clients saw against what the ledger has in the end: I1 to I6 of the promise. */
export const checkHistory = (
  broker: MemoryBroker,
  sent: ReadonlyArray<Sent>,
  reads: ReadonlyArray<Read>
): Array<string> => {
  const { histories, problems } = readLedger(broker)
  const placeOf = new Map<string, number>()
  for (const [userId, history] of histories) {
    let lastInput = 0
    for (const [place, applied] of history.entries()) {
      const id = `${userId}/${applied.purchaseId}`
      if (placeOf.has(id)) problems.push(`I2 doubled: ${id}`)
      placeOf.set(id, place)
      if (applied.inputSequence < lastInput) problems.push(`I5 out of the log's order: ${id}`)
      lastInput = applied.inputSequence
      const origin = sent.some(
        ({ purchase, outcome }) =>
          outcome !== "fail" &&
          purchase.userId === userId &&
          purchase.purchaseId === applied.purchaseId &&
          sameContent(purchase, applied)
      )
      if (!origin) problems.push(`I3 phantom: ${id}`)
    }
  }
  for (const { purchase, outcome } of sent) {
    const id = `${purchase.userId}/${purchase.purchaseId}`
    if (outcome === "ok" && !placeOf.has(id)) problems.push(`I1 lost: ${id}`)
  }
  problems.push(...checkOrder(sent, placeOf), ...checkReads(histories, sent, reads, placeOf))
  return problems
}

const checkOrder = (sent: ReadonlyArray<Sent>, placeOf: ReadonlyMap<string, number>): Array<string> => {
  const problems: Array<string> = []
  const firsts = new Map<string, Sent>()
  for (const one of sent) {
    const id = `${one.purchase.userId}/${one.purchase.purchaseId}`
    if (!firsts.has(id)) firsts.set(id, one)
  }
  for (const [id, one] of firsts) {
    for (const [otherId, other] of firsts) {
      if (one.purchase.userId !== other.purchase.userId || one.outcome !== "ok") continue
      if (one.answeredAt >= other.sentAt) continue
      const place = placeOf.get(id)
      const otherPlace = placeOf.get(otherId)
      if (place !== undefined && otherPlace !== undefined && place > otherPlace) {
        problems.push(`I5 order: ${id} was acknowledged before ${otherId} was sent, and comes after it`)
      }
    }
  }
  return problems
}

const checkReads = (
  histories: ReadonlyMap<string, ReadonlyArray<Applied>>,
  sent: ReadonlyArray<Sent>,
  reads: ReadonlyArray<Read>,
  placeOf: ReadonlyMap<string, number>
): Array<string> => {
  const problems: Array<string> = []
  for (const read of reads) {
    const history = histories.get(read.userId) ?? []
    const sum = history.slice(0, read.count).reduce((total, purchase) => total + purchaseTotal(purchase), 0n)
    if (read.count > history.length || sum !== read.total) {
      problems.push(`I6 ${read.userId}: ${read.count} with ${read.total} is no prefix of the history`)
    }
    for (const { purchase, outcome, answeredAt } of sent) {
      if (purchase.userId !== read.userId || outcome !== "ok" || answeredAt >= read.askedAt) continue
      const place = placeOf.get(`${purchase.userId}/${purchase.purchaseId}`)
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
