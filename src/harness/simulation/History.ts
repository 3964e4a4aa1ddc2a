import { type EntryRequest, entryTotal, isReversalRequest } from "../../account/Entry.ts"
import { sameContent } from "../../account/Purchase.ts"
import { type DecodedMessage, decodePurchases } from "../../protocol/PurchaseMessage.ts"
import type { Receipt } from "../../protocol/Query.ts"
import { headOf, revisionLinesOf, tokenOfLine } from "../../protocol/Commit.ts"
import type { AppliedPurchase, Revision } from "../../account/Revision.ts"
import { decodeRevision } from "../../protocol/RevisionCodec.ts"
import type { HeadManifest } from "../../protocol/HeadManifest.ts"
import { decodeToken, journalPrefix, partitionOf, rejectedKey } from "../../protocol/Subject.ts"
import { HeadTable } from "../../ledger/HeadTable.ts"
import { decodeRejection } from "../../protocol/Rejection.ts"
import { entryName, requestName, setIdName } from "../EntryName.ts"
import type { Problem } from "../Invariant.ts"
import {
  comparePlaces,
  isRefused,
  type RecordedReversal,
  recordedReversal,
  recordProblems,
  reversalProblems,
  sameReversal
} from "../ReversalCheck.ts"
import type { InputMessage } from "./MemoryBroker.ts"
import type { StreamMessage } from "./MemoryStream.ts"
import { partitions } from "./Plan.ts"

/**
 * A purchase or a reversal that a client sent. The outcome `fail` means that surely nothing was stored. The outcome
 * `info` means that the client does not know whether the request was stored.
 */
export interface Sent {
  readonly client: number
  readonly request: EntryRequest
  readonly sentAt: number
  outcome: "ok" | "fail" | "info"
  answeredAt: number
  /** The place of the request in the input log, if the client was told that the request is stored. */
  stored?: { readonly sequence: number; readonly index: number }
  /** The account's total after the entry, if the client was told that the request is applied. */
  toldTotal?: bigint
  /** Whether the client was told that its reversal is refused. */
  isToldRefused?: boolean
}

/** A total or a whole history that a client got. */
export interface Read {
  readonly client: number
  readonly userId: string
  readonly askedAt: number
  readonly answeredAt: number
  readonly total: bigint
  readonly count: number
  /** The names of the entries of the history, newest first. */
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

/** How often a request was delivered, and how often the chain counts it as a repeat or conflict. */
interface Deliveries {
  came: number
  counted: number
}

/** The answer to a client that asked for the receipt of an entry: the receipt, or that the account has no such entry. */
export interface ReceiptRead {
  readonly request: EntryRequest
  readonly askedAt: number
  /** The number of the entry's repeats and conflicts that the chain had counted before the answer. */
  readonly countedBefore: number
  readonly receipt: Receipt | undefined
}

const idOf = (request: EntryRequest): string => `${request.userId}/${requestName(request)}`

const sumOf = (entries: ReadonlyArray<AppliedPurchase>): bigint => {
  let total = 0n
  for (const entry of entries) total += entryTotal(entry)
  return total
}

/**
 * Reads each message of the journal and of the input log when it is stored, and collects the problems in these
 * messages. So the watch sees even the messages that the broker removes later.
 */
export class LedgerWatch {
  readonly histories = new Map<string, Array<AppliedPurchase>>()
  readonly deliveries = new Map<string, Deliveries>()
  readonly problems: Array<Problem> = []
  private readonly chains = new Map<number, Chain>()
  /** The sequences of each user's revisions, oldest first. */
  private readonly revisions = new Map<string, Array<number>>()
  private readonly rejections = new Map<string, string>()
  /** The reversals in rejected records. */
  private readonly recorded: Array<RecordedReversal> = []
  private readonly inputs = new Map<number, DecodedMessage>()
  /** The sequence of the newest commit with a reversal of a purchase, by user and purchase id. */
  private readonly lastReversals = new Map<string, number>()

  /** Takes note of a message of the input log. */
  received({ partition, sequence, payload }: InputMessage): void {
    const decoded = decodePurchases(payload)
    this.chainOf(partition).ahead.push(sequence)
    this.inputs.set(sequence, decoded)
    for (const { purchase, reversal } of decoded.purchases) this.deliveriesOf(idOf(purchase ?? reversal)).came += 1
  }

  /** Takes note of a message of the journal. */
  stored({ subject, payload, sequence }: StreamMessage<string>): void {
    const key = subject.slice(journalPrefix.length)
    const [kind, partition] = key.split(".")
    if (kind === "commit") this.storedCommit(Number(partition), sequence, payload)
    else if (kind === "rejected") {
      if (this.rejections.has(key)) this.problems.push(`I2 recorded twice: ${key}`)
      this.rejections.set(key, payload)
      const recorded = recordedReversal(decodeRejection(payload))
      if (recorded !== undefined) this.recorded.push(recorded)
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

  /** Checks that each purchase of an acknowledged message is applied or rejected. */
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

  /** Returns the number of repeats and conflicts of a request that the chain has counted. */
  countedOf(request: EntryRequest): number {
    return this.deliveriesOf(idOf(request)).counted
  }

  /** Returns whether the part of a message at an index has a rejected record. */
  isRecorded(sequence: number, index: number): boolean {
    return this.rejections.has(rejectedKey(sequence, index))
  }

  /** Returns the number of applied reversals, and of rejected records of refused reversals. */
  reversals(): { readonly applied: number; readonly refused: number } {
    const entries = [...this.histories.values()].flat()
    const refused = this.refusals().values()
    return {
      applied: entries.filter(({ reversal }) => reversal !== undefined).length,
      refused: refused.reduce((sum, count) => sum + count, 0)
    }
  }

  /** Returns how often each reversal was refused, by user and name. */
  refusals(): ReadonlyMap<string, number> {
    const refusals = new Map<string, number>()
    for (const recorded of this.recorded) {
      if (!isRefused(this.histories.get(recorded.reversal.userId) ?? [], recorded)) continue
      const id = idOf(recorded.reversal)
      refusals.set(id, (refusals.get(id) ?? 0) + 1)
    }
    return refusals
  }

  /** Returns the problems of the reversals in histories and in rejected records. */
  reversalProblems(): Array<Problem> {
    return [
      ...[...this.histories].flatMap(([userId, history]) => reversalProblems(userId, history)),
      ...this.recorded.flatMap((recorded) => {
        const { userId } = recorded.reversal
        return recordProblems(userId, this.histories.get(userId) ?? [], recorded)
      })
    ]
  }

  private deliveriesOf(id: string): Deliveries {
    const deliveries = this.deliveries.get(id) ?? { came: 0, counted: 0 }
    this.deliveries.set(id, deliveries)
    return deliveries
  }

  /**
   * Returns the indices of the parts of a message that are neither applied nor rejected, as text. The text is empty if
   * all parts are applied or rejected.
   */
  private undecided(sequence: number): string {
    const { purchases, unreadable } = this.inputs.get(sequence) ?? { purchases: [], unreadable: [] }
    // A reversal that was refused may be applied when it comes again, so only an entry up to the place of the message
    // in the input log counts.
    const isApplied = (request: EntryRequest, inputIndex: number) =>
      this.histories.get(request.userId)?.some((entry) => {
        const isLater = comparePlaces(entry, { inputSequence: sequence, inputIndex }) > 0
        return !isLater && entryName(entry) === requestName(request)
      }) === true
    return [
      ...purchases.flatMap(({ index, purchase, reversal }) =>
        isApplied(purchase ?? reversal, index) || this.isRecorded(sequence, index) ? [] : [index]
      ),
      ...unreadable.flatMap(({ index }) => (this.isRecorded(sequence, index) ? [] : [index]))
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
    this.storedReversals(userId, revision, sequence)
    const revisions = this.revisions.get(userToken) ?? []
    this.revisions.set(userToken, revisions)
    const before = revisions.at(-1) ?? 0
    if ((revision.previous[0] ?? 0) !== before) {
      this.problems.push(
        `I5 out of order: ${userId}: the revision at ${sequence} names ${revision.previous[0]} before it, not ${before}`
      )
    }
    revisions.push(sequence)
    for (const [setId, { repeats, conflicts }] of revision.repeats) {
      this.deliveriesOf(`${userId}/${setIdName(setId)}`).counted += repeats + conflicts
    }
  }

  /** Checks the number of reversals that a revision counts, and the earlier commits that its reversals name. */
  private storedReversals(userId: string, { purchases, reversals }: Revision, sequence: number): void {
    const all = this.histories.get(userId)?.filter(({ reversal }) => reversal !== undefined).length ?? 0
    if (reversals !== all) {
      this.problems.push(`I4 disagreeing: ${userId}: a revision counts ${reversals} reversals of ${all}`)
    }
    const taking = purchases.filter(({ reversal }) => reversal !== undefined)
    for (const entry of taking) {
      const before = this.lastReversals.get(`${userId}/${entry.purchaseId}`) ?? 0
      const { previous } = entry.reversal ?? {}
      if (previous !== before) {
        this.problems.push(
          `I5 out of order: ${userId}/${entryName(entry)} at ${sequence} names the reversal at ${previous}, not ${before}`
        )
      }
    }
    for (const { purchaseId } of taking) this.lastReversals.set(`${userId}/${purchaseId}`, sequence)
  }
}

/** The index of each entry in the history of its user, by user and name. */
type Places = ReadonlyMap<string, number>
type Histories = ReadonlyMap<string, ReadonlyArray<AppliedPurchase>>

/**
 * Returns the index of the entry that an acknowledged request must have in its history. Returns `undefined` if there is
 * no such entry. A refused reversal has no entry, even if a later request with the same reversal was applied.
 */
const placeOfSent = (histories: Histories, placeOf: Places, { request, outcome, stored }: Sent): number | undefined => {
  if (outcome !== "ok") return undefined
  const place = placeOf.get(idOf(request))
  const entry = place === undefined ? undefined : histories.get(request.userId)?.[place]
  if (entry === undefined || stored === undefined || !isReversalRequest(request)) return place
  const at = { inputSequence: stored.sequence, inputIndex: stored.index }
  return comparePlaces(entry, at) > 0 ? undefined : place
}

const checkOrder = (histories: Histories, sent: ReadonlyArray<Sent>, placeOf: Places): Array<Problem> => {
  const problems: Array<Problem> = []
  const firsts = new Map<string, Sent>()
  for (const one of sent) {
    const id = idOf(one.request)
    if (!firsts.has(id)) firsts.set(id, one)
  }
  for (const [id, one] of firsts) {
    const place = placeOfSent(histories, placeOf, one)
    if (place === undefined) continue
    for (const [otherId, other] of firsts) {
      if (one.request.userId !== other.request.userId || one.answeredAt >= other.sentAt) continue
      const otherPlace = placeOf.get(otherId)
      if (otherPlace !== undefined && place > otherPlace) {
        problems.push(`I5 out of order: ${id} was acknowledged before ${otherId} was sent, and comes after it`)
      }
    }
  }
  return problems
}

const checkReads = (
  histories: Histories,
  sent: ReadonlyArray<Sent>,
  reads: ReadonlyArray<Read>,
  placeOf: Places
): Array<Problem> => {
  const problems: Array<Problem> = []
  for (const read of reads) {
    const history = (histories.get(read.userId) ?? []).slice(0, read.count)
    const isPrefix = history.length === read.count && sumOf(history) === read.total
    if (!isPrefix)
      problems.push(`I6 stale read: ${read.userId}: ${read.count} with ${read.total} is no prefix of the history`)
    const ids = history.map(entryName).toReversed()
    if (read.entries !== undefined && read.entries.join() !== ids.join()) {
      problems.push(`I6 stale read: ${read.userId}: the page ${read.entries.join()} is not ${ids.join()}`)
    }
    for (const one of sent) {
      if (one.request.userId !== read.userId || one.answeredAt >= read.askedAt) continue
      const place = placeOfSent(histories, placeOf, one)
      if (place !== undefined && place >= read.count) {
        problems.push(`I6 stale read: ${requestName(one.request)} was acknowledged before the read of ${read.count}`)
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

/**
 * Checks the reversals in the receipt of a purchase. The receipt must have the first reversals of the purchase, with
 * every reversal that was acknowledged before the question.
 */
const checkReversed = (
  histories: Histories,
  sent: ReadonlyArray<Sent>,
  placeOf: Places,
  { request, askedAt, receipt }: ReceiptRead
): Array<Problem> => {
  if (receipt === undefined || isReversalRequest(request)) return []
  const { userId, purchaseId } = request
  const isOfPurchase = (entry: AppliedPurchase | undefined) =>
    entry?.reversal !== undefined && entry.purchaseId === purchaseId
  const all = histories.get(userId)?.filter(isOfPurchase) ?? []
  const shown = all.slice(0, receipt.reversals.length)
  const pieces = shown.reduce((sum, { quantity }) => sum + quantity, 0)
  const problems: Array<Problem> = []
  const names = receipt.reversals.map(entryName).toReversed()
  if (receipt.reversed !== pieces || names.join() !== shown.map(entryName).join()) {
    problems.push(`I6 stale read: the receipt of ${idOf(request)} has ${receipt.reversed} reversed by ${names.join()}`)
  }
  for (const one of sent) {
    if (one.request.userId !== userId || one.answeredAt >= askedAt) continue
    const entry = histories.get(userId)?.[placeOfSent(histories, placeOf, one) ?? -1]
    if (entry === undefined || !isOfPurchase(entry) || shown.includes(entry)) continue
    problems.push(`I6 stale read: ${idOf(one.request)} was acknowledged before a receipt without it`)
  }
  return problems
}

const checkReceipt = (
  { histories, deliveries }: LedgerWatch,
  sent: ReadonlyArray<Sent>,
  placeOf: Places,
  read: ReceiptRead
): Array<Problem> => {
  const { request, askedAt, countedBefore, receipt } = read
  const id = idOf(request)
  if (receipt === undefined) {
    const isMissing = sent.some(
      (one) =>
        idOf(one.request) === id &&
        one.answeredAt < askedAt &&
        (isReversalRequest(request) ? placeOfSent(histories, placeOf, one) !== undefined : one.outcome === "ok")
    )
    return isMissing ? [`I6 stale read: ${id} was acknowledged before it had no receipt`] : []
  }
  const { entry, repeats, conflicts } = receipt
  const history = (histories.get(request.userId) ?? []).slice(0, entry.number)
  const applied = history.at(-1)
  const problems = checkReversed(histories, sent, placeOf, read)
  if (applied === undefined || entryName(applied) !== requestName(request) || entry.totalAfter !== sumOf(history)) {
    problems.push(`I6 stale read: the receipt of ${id} says number ${entry.number} and ${entry.totalAfter}`)
  }
  const counted = repeats + conflicts
  const countedMax = (deliveries.get(id)?.came ?? 0) - 1
  if (counted < countedBefore || counted > countedMax) {
    problems.push(`I6 stale read: the receipt of ${id} counts ${counted} more, of ${countedBefore} to ${countedMax}`)
  }
  return problems
}

/** Returns whether an applied entry has the content of a request. */
const isAppliedAs = (entry: AppliedPurchase, request: EntryRequest): boolean =>
  isReversalRequest(request) ? sameReversal(entry, request) : sameContent(entry, request)

/** Checks the answers to one request, and that an acknowledged request is applied or recorded. */
const checkSent = (watch: LedgerWatch, placeOf: Places, sent: Sent): Array<Problem> => {
  const { request, outcome, stored, toldTotal, isToldRefused = false } = sent
  const problems: Array<Problem> = []
  const id = idOf(request)
  const place = placeOf.get(id)
  const isRecorded = stored !== undefined && watch.isRecorded(stored.sequence, stored.index)
  if (isReversalRequest(request)) {
    const isDecided = placeOfSent(watch.histories, placeOf, sent) !== undefined || isRecorded
    if (outcome === "ok" && !isDecided) problems.push(`I1 lost: ${id}`)
    if (isToldRefused && !isRecorded) problems.push(`I1 unrecorded: ${id} was answered as refused`)
  } else if (outcome === "ok" && place === undefined) problems.push(`I1 lost: ${id}`)
  if (toldTotal === undefined || place === undefined) return problems
  const history = watch.histories.get(request.userId)?.slice(0, place + 1) ?? []
  const applied = history.at(-1)
  if (sumOf(history) !== toldTotal)
    problems.push(`I4 disagreeing: told ${toldTotal} after ${id}, and it is ${sumOf(history)}`)
  if (applied !== undefined && !isAppliedAs(applied, request))
    problems.push(`I4 disagreeing: told of another content of ${id}`)
  return problems
}

/**
 * Compares the requests and answers of clients with the final chain. The text of a problem begins with the id of the
 * broken invariant, as in docs/protocol.md. A problem with the fence, a position or the heads begins with a name,
 * because it breaks a rule on which the invariants rest.
 */
export const checkHistory = (
  watch: LedgerWatch,
  sent: ReadonlyArray<Sent>,
  reads: ReadonlyArray<Read>,
  receipts: ReadonlyArray<ReceiptRead>
): Array<Problem> => {
  const { histories, deliveries } = watch
  const problems = [...watch.problems, ...watch.reversalProblems()]
  const placeOf = new Map<string, number>()
  for (const [userId, history] of histories) {
    let lastInput = 0
    for (const [place, applied] of history.entries()) {
      const id = `${userId}/${entryName(applied)}`
      if (placeOf.has(id)) problems.push(`I2 doubled: ${id}`)
      placeOf.set(id, place)
      if (applied.inputSequence < lastInput) problems.push(`I5 out of order: ${id} comes before its place in the log`)
      lastInput = applied.inputSequence
      const isSent = sent.some(
        ({ request, outcome }) => outcome !== "fail" && idOf(request) === id && isAppliedAs(applied, request)
      )
      if (!isSent) problems.push(`I3 phantom: ${id}`)
    }
  }
  problems.push(...sent.flatMap((one) => checkSent(watch, placeOf, one)))
  const refusals = watch.refusals()
  for (const [id, { came, counted }] of deliveries) {
    const first = placeOf.has(id) ? 1 : 0
    const most = Math.max(0, came - (refusals.get(id) ?? 0) - first)
    if (counted > most) problems.push(`repeats: ${id} came ${came} times, and again ${counted}`)
  }
  problems.push(...checkOrder(histories, sent, placeOf), ...checkReads(histories, sent, reads, placeOf))
  problems.push(...receipts.flatMap((read) => checkReceipt(watch, sent, placeOf, read)))
  return problems
}

/** Checks how often requests were counted as repeats or conflicts, after all input is applied. */
export const checkCounts = (watch: LedgerWatch): Array<Problem> => {
  const refusals = watch.refusals()
  return [...watch.deliveries].flatMap(([id, { came, counted }]): Array<Problem> => {
    const refused = refusals.get(id) ?? 0
    // A reversal that was always refused is never counted as a repeat or conflict.
    const least = Math.max(0, came - refused - 1)
    return counted < least ? [`repeats: ${id} came ${came} times, and again ${counted}`] : []
  })
}
