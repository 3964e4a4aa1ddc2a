import {
  type Account,
  beginSeal,
  decide,
  type Decision,
  type Delivered,
  emptyAccount,
  endSeal,
  evolve,
  isEmpty,
  isSealDue,
  mustAwaitSeal,
  type Refusal,
  revisionOf,
  type SealBounds,
  type Targets,
  targetsNeeded
} from "../account/Account.ts"
import type { Effect } from "effect"
import { productTextLengthMax, purchaseIdLengthMax } from "../account/Identifier.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { encodePurchaseText, encodeReversalText, messagePurchasesMax } from "../protocol/PurchaseMessage.ts"
import type { Rejection } from "../protocol/Rejection.ts"
import type { Revision } from "../account/Revision.ts"
import { encodeRevision } from "../protocol/RevisionCodec.ts"
import type { ChainWriter } from "../ledger/ChainWriter.ts"
import type { InputMessage } from "../ledger/InputProgress.ts"
import { commitRevisionsMax, proposalWithoutRevision, type RevisionProposal } from "../ledger/ProposalQueue.ts"
import type { StoredSegment } from "../ledger/StoredSegment.ts"
import type { ActorRequests } from "./ActorRequests.ts"
import { LruEntry } from "./LruList.ts"

/**
 * An actor takes no further message into a revision that has this many purchases. The last message of a revision may
 * add {@link messagePurchasesMax} purchases, and the revision still fits into a commit.
 */
export const revisionPurchasesMax = commitRevisionsMax - messagePurchasesMax
/**
 * An actor takes no further message into a revision that has this many bytes. The last message of a revision adds at
 * most half of the broker's `max_payload`, so the revision stays below `max_payload`. A UTF-16 unit counts as three
 * bytes, the most that it takes in UTF-8.
 */
export const revisionBytesMax = 256 * 1024

/** One user's part of a message of the input log. */
export interface PurchasesEnvelope<Tag> {
  readonly kind: "purchases"
  readonly deliveries: ReadonlyArray<Delivered>
  readonly message: InputMessage<Tag>
}

/**
 * Asks the actor to call `look` with its account, after all earlier purchases of the mailbox are committed. `look` must
 * neither change nor keep the account.
 */
export interface LookEnvelope {
  readonly kind: "look"
  readonly look: (account: Account) => void
  /** Called instead of `look` if the account cannot be read. Without the function `unreadable`, the look is dropped. */
  readonly unreadable?: () => void
}

/** An entry of an actor's mailbox. */
export type Envelope<Tag> = PurchasesEnvelope<Tag> | LookEnvelope

/** The functions that an actor calls before and after the read of its account from the broker. */
export interface AccountReads {
  readonly begun: () => void
  /** Called when the read of the account has succeeded. If the read of an account fails, the epoch ends. */
  readonly ended: () => void
}

/** The context that all actors of an epoch share. */
export interface ActorContext<Tag> {
  readonly partition: number
  readonly writer: Pick<ChainWriter<Tag>, "submit">
  /** Returns the sequence of a user's newest revision, 0 for a user without one. */
  readonly headOf: (userToken: string) => number
  readonly reads: AccountReads
  /** The most envelopes that wait in one mailbox. */
  readonly mailboxMax: number
  /** Called when a revision is committed. The purchases of the revision came in `messages`. */
  readonly applied: (revision: Revision, messages: ReadonlyArray<InputMessage<Tag>>) => void
  /**
   * Called when an account cannot be read. All further purchases of the account are rejected, and the actors of all
   * other users go on.
   */
  readonly unreadable: (userToken: string, problem: string) => void
  /**
   * Called when purchases of an account that cannot be read are rejected. The rejected records of the purchases are
   * stored before the call.
   */
  readonly refused: (rejections: ReadonlyArray<Rejection>) => void
  /** Returns whether this epoch still owned the partition at some moment after the call. */
  readonly stillOwner?: Effect.Effect<boolean, BrokerFailure>
  /**
   * Called when the conflict of a purchase is counted by a stored commit. The rejected record of the conflict is stored
   * before the call.
   */
  readonly conflict: (rejection: Rejection) => void
  /**
   * Called when the position has passed reversals that are refused. The rejected records of the reversals, in the same
   * order, are stored before the call. The refused reversals came in `messages`.
   */
  readonly reversalsRefused: (
    refusals: ReadonlyArray<Refusal>,
    rejections: ReadonlyArray<Rejection>,
    messages: ReadonlyArray<InputMessage<Tag>>
  ) => void
  /**
   * Called when a request to the broker failed, when the outcome of a request is unknown, or when an actor failed. The
   * call of `failed` ends the epoch and all of its actors.
   */
  readonly failed: (reason: string) => void
}

/** The context of an actor's epoch, with the functions that its worker gives to all actors. */
export interface ActorHands<Tag> extends ActorContext<Tag> {
  readonly requests: ActorRequests
  readonly sealing: SealBounds
  /** Schedules a call of {@link ResidentActor.turn}. In its turn, the actor takes envelopes from its mailbox. */
  readonly wake: (actor: ResidentActor) => void
  /** Takes note that an actor has loaded its account. */
  readonly loaded: (actor: ResidentActor) => void
  /**
   * Takes note that an actor has finished the work that it took. `purchaseIds` is the size of the actor's purchaseId
   * set.
   */
  readonly finished: (actor: ResidentActor, purchaseIds: number) => void
}

/** The part of an actor that {@link ActorSlots} uses. A {@link ResidentActor} does not depend on the actor's epoch. */
export abstract class ResidentActor extends LruEntry {
  /** When the actor was last given an envelope, in milliseconds. */
  usedAt = 0
  /** The size of the actor's purchaseId set, as {@link ActorSlots} counted it last. */
  purchaseIds = 0
  /** Whether the actor's account is still being read. */
  isLoading = true
  /** Whether the actor has nothing to do. */
  abstract readonly isPassive: boolean
  /** Takes envelopes from the actor's mailbox, if the actor has loaded its account. */
  abstract turn(): void
  /** Ends the actor. An actor that is ended does nothing. */
  abstract end(): void
}

/** The envelopes that an actor took from its mailbox. */
interface Work<Tag> {
  readonly messages: ReadonlyArray<InputMessage<Tag>>
  readonly deliveries: ReadonlyArray<Delivered>
  readonly looks: ReadonlyArray<LookEnvelope>
}

const noLooks: ReadonlyArray<LookEnvelope> = []
const noParts: ReadonlyArray<never> = []
/** The most UTF-16 units that the entry of a reversal copies from the reversed purchase. */
const reversedUnitsMax = 2 * (purchaseIdLengthMax + 2 * productTextLengthMax)

const bytesOf = (deliveries: ReadonlyArray<Delivered>): number => {
  let units = 0
  for (const { purchase, reversal } of deliveries) {
    if (reversal === undefined) {
      units += purchase.purchaseId.length + purchase.productName.length + purchase.productType.length
    } else units += reversal.reversalId.length + reversal.reason.length + reversedUnitsMax
  }
  return units * 3
}

/**
 * Takes envelopes from the front of a mailbox, up to the size of one revision. Returns the taken envelopes, and the
 * envelopes that stay in the mailbox. Each taken look sees all taken purchases, also purchases that came after the
 * look.
 */
const takeWork = <Tag>(waiting: ReadonlyArray<Envelope<Tag>>): { work: Work<Tag>; rest: Array<Envelope<Tag>> } => {
  const messages: Array<InputMessage<Tag>> = []
  const deliveries: Array<Delivered> = []
  const looks: Array<LookEnvelope> = []
  let bytes = 0
  let taken = 0
  for (const envelope of waiting) {
    taken += 1
    if (envelope.kind === "look") looks.push(envelope)
    else {
      messages.push(envelope.message)
      for (const delivered of envelope.deliveries) deliveries.push(delivered)
      bytes += bytesOf(envelope.deliveries)
    }
    if (deliveries.length >= revisionPurchasesMax || bytes >= revisionBytesMax) break
  }
  return { work: { messages, deliveries, looks }, rest: waiting.slice(taken) }
}

const rejectionOf = ({ purchase, reversal, inputSequence, inputIndex }: Delivered, reason: string): Rejection => ({
  reason,
  payload: reversal === undefined ? encodePurchaseText(purchase) : encodeReversalText(reversal),
  encoding: "text",
  inputSequence,
  index: inputIndex
})

const nameOf = ({ purchase, reversal }: Delivered): string =>
  reversal === undefined ? `purchase ${purchase.purchaseId}` : `reversal ${reversal.reversalId}`

const conflictOf = (delivered: Delivered): Rejection =>
  rejectionOf(delivered, `${nameOf(delivered)} was applied before with another content`)

const unreadableOf = (delivered: Delivered): Rejection => {
  const again = delivered.reversal === undefined ? "replay the purchase" : "post the reversal again"
  return rejectionOf(delivered, `the account of this user cannot be read; ${again} when the account is repaired`)
}

/**
 * Returns the rejected record of a reversal that is refused. The reason in the record says how many pieces were asked
 * for, and how many are left.
 */
const refusalOf = ({ delivered, reason, left }: Refusal): Rejection => {
  const { reversalId, purchaseId, quantity } = delivered.reversal
  const problem = {
    "no-purchase": `purchase ${purchaseId} was not applied before`,
    "nothing-left": `all pieces of purchase ${purchaseId} are reversed already`,
    "message-too-large": "its message reverses too many purchases with long product names; post the reversal again",
    "more-than-left": `it asks for ${quantity} of purchase ${purchaseId}, of which ${left} are left`
  }[reason]
  return rejectionOf(delivered, `reversal ${reversalId} cannot be applied: ${problem}`)
}

/**
 * The actor of one user. The actor holds the account with its purchaseId set, and takes the envelopes of its mailbox in
 * order. The actor decides the purchases that wait together, and proposes them as one revision. The actor takes further
 * envelopes when its revision is committed. An actor ends with its epoch.
 *
 * An actor is an object and not a fiber, because a worker has a hundred thousand actors. Requests to the broker run as
 * effects, and no code of the actor runs while the actor waits for a request. At most one revision of an actor waits
 * for a commit, so the actor itself is the proposal of that revision.
 */
export class AccountActor<Tag> extends ResidentActor implements RevisionProposal<Tag> {
  readonly userToken: string
  private readonly hands: ActorHands<Tag>
  private readonly ended: (userToken: string) => void
  /** The envelopes in the mailbox; `undefined` while the mailbox is empty, as in most actors. */
  private waiting: Array<Envelope<Tag>> | undefined
  private account: Account | undefined
  /**
   * Whether the account cannot be read. The actor of an unreadable account rejects all purchases until it leaves
   * memory.
   */
  private isUnreadable = false
  /** True from the first envelope until the mailbox is empty and nothing is in flight. */
  private isBusy = false
  private isOver = false
  /**
   * Whether the actor has decided nothing since its account was loaded. A fresh actor decides only after a segment that
   * is due is stored. An actor that does not wait for the segment, and that leaves memory after each revision, would
   * store the same segment again and again. No revision of the actor would ever name the segment.
   */
  private isFresh = true
  /** The work that waits until the segment in flight is stored; `undefined` if no work waits. */
  private held: Work<Tag> | undefined
  private sealed: StoredSegment | undefined
  /**
   * The messages whose purchases are in the revision that waits for its commit. The fields from `parts` to `rejections`
   * belong to one revision.
   */
  parts: ReadonlyArray<InputMessage<Tag>> = noParts
  purchases = 0
  private looks: ReadonlyArray<LookEnvelope> = noLooks
  private decision: Decision | undefined
  private revision: Revision | undefined
  private rejections: ReadonlyArray<Rejection> | undefined

  constructor(userToken: string, hands: ActorHands<Tag>, ended: (userToken: string) => void) {
    super()
    this.userToken = userToken
    this.hands = hands
    this.ended = ended
  }

  get isPassive(): boolean {
    return !this.isBusy && !this.isLoading
  }

  /** Puts an envelope at the end of the mailbox. Returns `false` if the mailbox is full. */
  offer(envelope: Envelope<Tag>): boolean {
    if (this.waiting === undefined) this.waiting = [envelope]
    else if (this.waiting.length >= this.hands.mailboxMax) return false
    else this.waiting.push(envelope)
    if (this.isBusy) return true
    this.isBusy = true
    this.hands.wake(this)
    return true
  }

  end(): void {
    this.isOver = true
    this.ended(this.userToken)
  }

  turn(): void {
    this.step(this.take, undefined)
  }

  /** Runs a method of this actor. A defect in the method ends only this epoch, not the worker. */
  private step<A>(run: (value: A) => void, value: A): void {
    if (this.isOver) return
    try {
      run.call(this, value)
    } catch (defect) {
      this.hands.failed(`the actor of ${this.userToken} died: ${String(defect)}`)
    }
  }

  private take(): void {
    const { account } = this
    if (this.isUnreadable) return this.refuse()
    if (account === undefined) return this.load()
    const work = this.takeWaiting()
    if (work.deliveries.length === 0) return this.finish(account, work.looks)
    this.takeSealed(account)
    if (isSealDue(account, this.hands.sealing)) this.seal(account)
    const mustAwait = mustAwaitSeal(account, this.hands.sealing) || (this.isFresh && account.sealing > 0)
    if (mustAwait) this.held = work
    else this.readAndDecide(account, work)
  }

  private takeWaiting(): Work<Tag> {
    const waiting = this.waiting ?? []
    const [first] = waiting
    // In a worker with many users, nearly every mailbox has one envelope.
    if (waiting.length === 1 && first?.kind === "purchases") {
      this.waiting = undefined
      return { messages: [first.message], deliveries: first.deliveries, looks: noLooks }
    }
    const { work, rest } = takeWork(waiting)
    this.waiting = rest.length === 0 ? undefined : rest
    return work
  }

  private load(): void {
    const { userToken, hands } = this
    const newest = hands.headOf(userToken)
    if (newest === 0) return this.begin(emptyAccount())
    hands.reads.begun()
    const ended = <A>(run: (value: A) => void, value: A) => {
      hands.reads.ended()
      this.step(run, value)
    }
    hands.requests.load(
      userToken,
      newest,
      (account) => ended(this.begin, account),
      (problem) => ended(this.stop, problem)
    )
  }

  private begin(account: Account): void {
    this.account = account
    this.hands.loaded(this)
    this.take()
  }

  /** Makes the actor reject all purchases, because the records of the account cannot be read. */
  private stop(problem: string): void {
    this.isUnreadable = true
    this.hands.loaded(this)
    this.hands.unreadable(this.userToken, problem)
    this.take()
  }

  /**
   * Rejects the taken work, because a record that the work needs cannot be read. From now on the actor rejects all
   * purchases.
   */
  private stopWith(problem: string, work: Work<Tag>): void {
    this.isUnreadable = true
    this.account = undefined
    this.hands.unreadable(this.userToken, problem)
    this.refuse(work)
  }

  /**
   * Rejects the purchases of an account that cannot be read. The rejected records are stored before the position passes
   * the purchases, so a person can replay the purchases when the account is repaired.
   */
  private refuse({ messages, deliveries, looks } = this.takeWaiting()): void {
    this.parts = messages
    this.looks = looks
    if (deliveries.length === 0) return this.finishRefused()
    const rejections = deliveries.map(unreadableOf)
    const committed = () => this.step(this.takeRefused, rejections)
    const { requests, writer } = this.hands
    requests.record(this.userToken, rejections, () =>
      writer.submit(proposalWithoutRevision({ parts: messages, purchases: deliveries.length, committed }))
    )
  }

  private takeRefused(rejections: ReadonlyArray<Rejection>): void {
    this.hands.refused(rejections)
    this.finishRefused()
  }

  private finishRefused(): void {
    const { looks } = this
    this.parts = noParts
    this.looks = noLooks
    for (const { unreadable } of looks) unreadable?.()
    this.rest(0)
  }

  private seal(account: Account): void {
    const { links } = account
    const { requests, sealing } = this.hands
    requests.seal(this.userToken, beginSeal(account, sealing), links, (stored) => {
      this.sealed = stored
      this.step(this.goOn, account)
    })
  }

  /** Lets the account's next revisions name the newest segment, if a segment was stored since the last call. */
  private takeSealed(account: Account): void {
    if (this.sealed === undefined) return
    endSeal(account, this.sealed.segment, this.sealed.links)
    this.sealed = undefined
  }

  private goOn(account: Account): void {
    const { held } = this
    if (held === undefined) return
    this.held = undefined
    this.takeSealed(account)
    this.readAndDecide(account, held)
  }

  /**
   * Decides the purchases and reversals of the taken work. Before the decision, reads the purchases that the reversals
   * of the work name, if {@link decide} needs them.
   */
  private readAndDecide(account: Account, work: Work<Tag>): void {
    const needed = targetsNeeded(account, work.deliveries)
    if (needed === undefined) return this.decide(account, work)
    this.hands.requests.readTargets(
      this.userToken,
      needed,
      (targets) => this.step(() => this.decide(account, work, targets), undefined),
      (problem) => this.step(() => this.stopWith(problem, work), undefined)
    )
  }

  private decide(account: Account, work: Work<Tag>, targets?: Targets): void {
    const { userToken, hands } = this
    this.isFresh = false
    const decision = decide(account, work.deliveries, targets)
    const { conflicts, refusals } = decision
    if (isEmpty(decision)) return this.passOver(account, work, refusals)
    this.parts = work.messages
    this.purchases = work.deliveries.length
    this.looks = work.looks
    this.decision = decision
    if (conflicts.length === 0 && refusals.length === 0) return hands.writer.submit(this)
    const rejections = [...conflicts.map(conflictOf), ...refusals.map(refusalOf)]
    this.rejections = rejections
    // The rejected records are stored before the commit that counts the conflicts and passes the refused reversals.
    hands.requests.record(userToken, rejections, () => this.step(this.submit, undefined))
  }

  /**
   * Lets the position pass work that leaves nothing to write. The rejected records of refused reversals are stored
   * before the position passes the reversals.
   */
  private passOver(
    account: Account,
    { messages, deliveries, looks }: Work<Tag>,
    refusals: ReadonlyArray<Refusal>
  ): void {
    const { userToken, hands } = this
    const pass = (committed: () => void) => {
      hands.writer.submit(proposalWithoutRevision({ parts: messages, purchases: deliveries.length, committed }))
      this.finish(account, looks)
    }
    if (refusals.length === 0) return pass(() => undefined)
    const rejections = refusals.map(refusalOf)
    const reported = () => hands.reversalsRefused(refusals, rejections, messages)
    hands.requests.record(userToken, rejections, () => this.step(pass, reported))
  }

  private submit(): void {
    this.hands.writer.submit(this)
  }

  /** Returns the decided revision as a line of the commit. Nothing changes the account between decision and commit. */
  line(): string {
    const { account, decision } = this
    if (account === undefined || decision === undefined) throw new Error("nothing is decided")
    this.revision = revisionOf(account, decision)
    return encodeRevision(this.userToken, this.revision)
  }

  committed(sequence: number): void {
    this.step(this.takeCommitted, sequence)
  }

  private takeCommitted(sequence: number): void {
    const { account, decision, revision, hands, parts, looks, rejections } = this
    if (account === undefined || decision === undefined || revision === undefined) {
      throw new Error("a commit names a revision that was not written")
    }
    this.parts = noParts
    this.looks = noLooks
    this.decision = undefined
    this.revision = undefined
    evolve(account, revision, sequence, decision.fingerprints)
    hands.applied(revision, parts)
    if (rejections !== undefined) {
      this.rejections = undefined
      const { conflicts, refusals } = decision
      for (const rejection of rejections.slice(0, conflicts.length)) hands.conflict(rejection)
      if (refusals.length > 0) hands.reversalsRefused(refusals, rejections.slice(conflicts.length), parts)
    }
    this.finish(account, looks)
  }

  /** Calls the looks with the account. Schedules another turn if further envelopes have come. */
  private finish(account: Account, looks: ReadonlyArray<LookEnvelope>): void {
    for (const { look } of looks) look(account)
    this.rest(account.purchaseIds.size)
  }

  private rest(purchaseIds: number): void {
    if (this.waiting !== undefined) this.hands.wake(this)
    else this.isBusy = false
    this.hands.finished(this, purchaseIds)
  }
}
