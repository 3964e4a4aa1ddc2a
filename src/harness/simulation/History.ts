import { entryTotal } from "../../account/Entry.ts"
import { type Purchase, sameContent } from "../../account/Purchase.ts"
import { type DecodedMessage, decodePurchases } from "../../protocol/PurchaseMessage.ts"
import type { Receipt } from "../../protocol/Query.ts"
import { headOf, revisionLinesOf, tokenOfLine } from "../../protocol/Commit.ts"
import type { AppliedPurchase, Revision } from "../../account/Revision.ts"
import { decodeRevision } from "../../protocol/RevisionCodec.ts"
import type { HeadManifest } from "../../protocol/HeadManifest.ts"
import { decodeToken, journalPrefix, partitionOf, rejectedKey } from "../../protocol/Subject.ts"
import { HeadTable } from "../../ledger/HeadTable.ts"
import type { InputMessage } from "./MemoryBroker.ts"
import type { StreamMessage } from "./MemoryStream.ts"
import type { Problem } from "../Invariant.ts"
import { partitions } from "./Plan.ts"

/**
 * A purchase that a client sent. The outcome `fail` means that surely nothing was stored. `info` means that the client
 * does not know whether the purchase was stored.
 */
export interface Sent {
  readonly client: number
  readonly purchase: Purchase
  readonly sentAt: number
  outcome: "ok" | "fail" | "info"
  answeredAt: number
  /** The account's total after the purchase, if the client was told that the purchase is applied. */
  toldTotal?: bigint
}

/** A total or a whole history that a client got. */
export interface Read {
  readonly client: number
  readonly userId: string
  readonly askedAt: number
  readonly answeredAt: number
  readonly total: bigint
  readonly count: number
  /** The purchases of the history, newest first. */
  readonly entries: ReadonlyArray<string> | undefined
}

/** The present state of a partition's chain. */
interface Chain {
  /** The sequence of the newest take-over record. */
  epoch: number
  position: number
  /** The input sequences of the partition that are after its position. */
  readonly ahead: Array<number>
}

/** How often a purchase was delivered, and how often the chain counts it as a repeat or conflict. */
interface Deliveries {
  came: number
  counted: number
}

/** A receipt of a purchase that a client got, or the answer that there is none. */
export interface ReceiptRead {
  readonly userId: string
  readonly purchaseId: string
  readonly askedAt: number
  /** The number of the purchase's repeats and conflicts that the chain had counted before the answer. */
  readonly countedBefore: number
  readonly receipt: Receipt | undefined
}

const idOf = ({ userId, purchaseId }: Pick<Purchase, "userId" | "purchaseId">): string => `${userId}/${purchaseId}`

const sumOf = (purchases: ReadonlyArray<AppliedPurchase>): bigint => {
  let total = 0n
  for (const purchase of purchases) total += entryTotal(purchase)
  return total
}

/**
 * Reads each message of the journal and of the input log when it is stored, and collects the problems in these
 * messages. So it also sees messages that are removed later.
 */
export class LedgerWatch {
  readonly histories = new Map<string, Array<AppliedPurchase>>()
  readonly deliveries = new Map<string, Deliveries>()
  readonly problems: Array<Problem> = []
  private readonly chains = new Map<number, Chain>()
  /** The sequences of each user's revisions, oldest first. */
  private readonly revisions = new Map<string, Array<number>>()
  private readonly rejections = new Map<string, string>()
  private readonly inputs = new Map<number, DecodedMessage>()

  /** Takes note of a message of the input log. */
  received({ partition, sequence, payload }: InputMessage): void {
    const decoded = decodePurchases(payload)
    this.chainOf(partition).ahead.push(sequence)
    this.inputs.set(sequence, decoded)
    for (const { purchase } of decoded.purchases) {
      if (purchase !== undefined) this.deliveriesOf(idOf(purchase)).came += 1
    }
  }

  /** Takes note of a message of the journal. */
  stored({ subject, payload, sequence }: StreamMessage<string>): void {
    const key = subject.slice(journalPrefix.length)
    const [kind, partition] = key.split(".")
    if (kind === "commit") this.storedCommit(Number(partition), sequence, payload)
    else if (kind === "rejected") {
      if (this.rejections.has(key)) this.problems.push(`I2 recorded twice: ${key}`)
      this.rejections.set(key, payload)
    }
  }

  /**
   * Compares a manifest of heads with the chain. The chunks of the manifest must have the newest revision of each user
   * up to the manifest's end.
   */
  storedManifest(
    partition: number,
    manifest: HeadManifest,
    chunkAt: (sequence: number) => Uint8Array | undefined
  ): void {
    const { key, through, base, hints } = manifest
    const table = new HeadTable(Uint32Array.from(key))
    for (const sequence of [...base, ...hints]) {
      const chunk = chunkAt(sequence)
      // A lost chunk is no problem, because the next owner makes the heads again from the chain.
      if (chunk === undefined) return
      table.read(chunk)
    }
    for (const [userToken, revisions] of this.revisions) {
      if (partitionOf(userToken, partitions) !== partition) continue
      const newest = revisions.findLast((sequence) => sequence <= through) ?? 0
      const found = table.find(userToken)
      if (found !== newest) this.problems.push(`heads: ${userToken} through ${through} is at ${found}, not ${newest}`)
    }
  }

  /** Checks an acknowledgement. Each purchase of the message must be applied or rejected. */
  acknowledged({ sequence }: InputMessage): void {
    const early = this.undecided(sequence)
    if (early !== "") this.problems.push(`I8 acknowledged early: input ${sequence}, of which ${early} is not written`)
  }

  positionOf(partition: number): number {
    return this.chainOf(partition).position
  }

  /** Returns the number of rejected records that contain a text. */
  rejected(text: string): number {
    return [...this.rejections.values()].filter((value) => value.includes(text)).length
  }

  private chainOf(partition: number): Chain {
    const chain = this.chains.get(partition) ?? { epoch: 0, position: 0, ahead: [] }
    this.chains.set(partition, chain)
    return chain
  }

  /** Returns the number of a purchase's repeats and conflicts that the chain has counted. */
  countedOf(purchase: Pick<Purchase, "userId" | "purchaseId">): number {
    return this.deliveriesOf(idOf(purchase)).counted
  }

  private deliveriesOf(id: string): Deliveries {
    const deliveries = this.deliveries.get(id) ?? { came: 0, counted: 0 }
    this.deliveries.set(id, deliveries)
    return deliveries
  }

  /**
   * Returns the parts of a message that are neither applied nor rejected, as text. The text is empty if there are none.
   */
  private undecided(sequence: number): string {
    const { purchases, unreadable } = this.inputs.get(sequence) ?? { purchases: [], unreadable: [] }
    const isRecorded = (index: number) => this.rejections.has(rejectedKey(sequence, index))
    const isApplied = ({ userId, purchaseId }: Purchase) =>
      this.histories.get(userId)?.some((applied) => applied.purchaseId === purchaseId) === true
    return [
      ...purchases.flatMap(({ index, purchase }) =>
        (purchase !== undefined && isApplied(purchase)) || isRecorded(index) ? [] : [index]
      ),
      ...unreadable.flatMap(({ index }) => (isRecorded(index) ? [] : [index]))
    ].join()
  }

  private storedCommit(partition: number, sequence: number, text: string): void {
    const chain = this.chainOf(partition)
    const { kind, epoch, position } = headOf(text)
    if (kind === "takeover") chain.epoch = sequence
    else if (epoch !== chain.epoch) {
      this.problems.push(`fence: a commit of epoch ${epoch} is stored at ${sequence}, after take-over ${chain.epoch}`)
    }
    for (const line of revisionLinesOf(text)) this.storedRevision(tokenOfLine(line), decodeRevision(line), sequence)
    if (position < chain.position) {
      this.problems.push(`position: of partition ${partition} went back from ${chain.position} to ${position}`)
    }
    chain.position = position
    for (const { ahead } = chain; ahead[0] !== undefined && ahead[0] <= position; ahead.shift()) {
      const early = this.undecided(ahead[0])
      if (early !== "")
        this.problems.push(`I1 lost: the position passed input ${ahead[0]}, and ${early} is not decided`)
    }
  }

  private storedRevision(userToken: string, revision: Revision, sequence: number): void {
    const userId = decodeToken(userToken)
    const history = this.histories.get(userId) ?? []
    this.histories.set(userId, history)
    history.push(...revision.purchases)
    const sum = sumOf(history)
    if (revision.total !== sum)
      this.problems.push(`I4 disagreeing: ${userId}: a revision says ${revision.total}, its history ${sum}`)
    if (revision.count !== history.length) {
      this.problems.push(`I4 disagreeing: ${userId}: a revision counts ${revision.count} of ${history.length}`)
    }
    const revisions = this.revisions.get(userToken) ?? []
    this.revisions.set(userToken, revisions)
    const before = revisions.at(-1) ?? 0
    if ((revision.previous[0] ?? 0) !== before) {
      this.problems.push(
        `I5 out of order: ${userId}: the revision at ${sequence} names ${revision.previous[0]} before it, not ${before}`
      )
    }
    revisions.push(sequence)
    for (const [purchaseId, { repeats, conflicts }] of revision.repeats) {
      this.deliveriesOf(`${userId}/${purchaseId}`).counted += repeats + conflicts
    }
  }
}

const checkOrder = (sent: ReadonlyArray<Sent>, placeOf: ReadonlyMap<string, number>): Array<Problem> => {
  const problems: Array<Problem> = []
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
        problems.push(`I5 out of order: ${id} was acknowledged before ${otherId} was sent, and comes after it`)
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
): Array<Problem> => {
  const problems: Array<Problem> = []
  for (const read of reads) {
    const history = (histories.get(read.userId) ?? []).slice(0, read.count)
    const isPrefix = history.length === read.count && sumOf(history) === read.total
    if (!isPrefix)
      problems.push(`I6 stale read: ${read.userId}: ${read.count} with ${read.total} is no prefix of the history`)
    const ids = history.map(({ purchaseId }) => purchaseId).toReversed()
    if (read.entries !== undefined && read.entries.join() !== ids.join()) {
      problems.push(`I6 stale read: ${read.userId}: the page ${read.entries.join()} is not ${ids.join()}`)
    }
    for (const { purchase, outcome, answeredAt } of sent) {
      if (purchase.userId !== read.userId || outcome !== "ok" || answeredAt >= read.askedAt) continue
      const place = placeOf.get(idOf(purchase))
      if (place !== undefined && place >= read.count) {
        problems.push(`I6 stale read: ${purchase.purchaseId} was acknowledged before the read of ${read.count}`)
      }
    }
    for (const before of reads) {
      if (before.userId === read.userId && before.answeredAt < read.askedAt && before.count > read.count) {
        problems.push(`I6 stale read: ${read.userId} was ${before.count}, and then ${read.count}`)
      }
    }
  }
  return problems
}

const checkReceipt = (
  { histories, deliveries }: LedgerWatch,
  sent: ReadonlyArray<Sent>,
  { userId, purchaseId, askedAt, countedBefore, receipt }: ReceiptRead
): Array<Problem> => {
  const id = `${userId}/${purchaseId}`
  if (receipt === undefined) {
    const isMissing = sent.some(
      ({ purchase, outcome, answeredAt }) => outcome === "ok" && answeredAt < askedAt && idOf(purchase) === id
    )
    return isMissing ? [`I6 stale read: ${id} was acknowledged before it had no receipt`] : []
  }
  const { entry, repeats, conflicts } = receipt
  const history = (histories.get(userId) ?? []).slice(0, entry.number)
  const applied = history.at(-1)
  const problems: Array<Problem> = []
  if (applied?.purchaseId !== purchaseId || entry.totalAfter !== sumOf(history)) {
    problems.push(`I6 stale read: the receipt of ${id} says number ${entry.number} and ${entry.totalAfter}`)
  }
  const counted = repeats + conflicts
  const countedMax = (deliveries.get(id)?.came ?? 0) - 1
  if (counted < countedBefore || counted > countedMax) {
    problems.push(`I6 stale read: the receipt of ${id} counts ${counted} more, of ${countedBefore} to ${countedMax}`)
  }
  return problems
}

/**
 * Compares the requests and answers of clients with the final chain. A problem begins with the number of the invariant
 * that it breaks, as in docs/protocol.md. Problems with the fence, positions and heads begin with a name, because they
 * break a rule that the invariants rest on.
 */
export const checkHistory = (
  watch: LedgerWatch,
  sent: ReadonlyArray<Sent>,
  reads: ReadonlyArray<Read>,
  receipts: ReadonlyArray<ReceiptRead>
): Array<Problem> => {
  const { histories, deliveries } = watch
  const problems = [...watch.problems]
  const placeOf = new Map<string, number>()
  for (const [userId, history] of histories) {
    let lastInput = 0
    for (const [place, applied] of history.entries()) {
      const id = `${userId}/${applied.purchaseId}`
      if (placeOf.has(id)) problems.push(`I2 doubled: ${id}`)
      placeOf.set(id, place)
      if (applied.inputSequence < lastInput) problems.push(`I5 out of order: ${id} comes before its place in the log`)
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
    if (sumOf(history) !== toldTotal)
      problems.push(`I4 disagreeing: told ${toldTotal} after ${id}, and it is ${sumOf(history)}`)
    if (applied !== undefined && !sameContent(applied, purchase))
      problems.push(`I4 disagreeing: told of another content of ${id}`)
  }
  for (const [id, { came, counted }] of deliveries) {
    if (placeOf.has(id) && counted > came - 1) problems.push(`repeats: ${id} came ${came} times, and again ${counted}`)
  }
  problems.push(...checkOrder(sent, placeOf), ...checkReads(histories, sent, reads, placeOf))
  problems.push(...receipts.flatMap((read) => checkReceipt(watch, sent, read)))
  return problems
}

/** Checks how often purchases were counted as repeats or conflicts, after all input is applied. */
export const checkCounts = ({ deliveries }: LedgerWatch): Array<Problem> =>
  [...deliveries].flatMap(([id, { came, counted }]): Array<Problem> =>
    counted < came - 1 ? [`repeats: ${id} came ${came} times, and again ${counted}`] : []
  )
