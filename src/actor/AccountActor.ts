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
  revisionOf,
  type SealBounds
} from "../account/Account.ts"
import { encodePurchaseText, messagePurchasesMax } from "../protocol/PurchaseMessage.ts"
import type { Rejection } from "../protocol/Rejection.ts"
import type { Revision } from "../account/Revision.ts"
import { encodeRevision } from "../protocol/RevisionCodec.ts"
import type { ChainWriter } from "../ledger/ChainWriter.ts"
import type { InputMessage } from "../ledger/InputProgress.ts"
import { commitRevisionsMax, type RevisionProposal } from "../ledger/ProposalQueue.ts"
import type { StoredSegment } from "../ledger/StoredSegment.ts"
import type { ActorRequests } from "./ActorRequests.ts"
import { LruEntry } from "./LruList.ts"

/** With so many purchases an actor takes no further message into a revision. The last message may bring its most. */
export const revisionPurchasesMax = commitRevisionsMax - messagePurchasesMax
/**
 * With this many bytes neither: together with one more message, which has half of the broker's `max_payload` at most,
 * a revision stays below it. A UTF-16 unit counts as three bytes, the most that it takes.
 */
export const revisionBytesMax = 256 * 1024

/** One user's part of a message of the input log. */
export interface PurchasesEnvelope<Tag> {
  readonly kind: "purchases"
  readonly deliveries: ReadonlyArray<Delivered>
  readonly message: InputMessage<Tag>
}

/** Looks at the account when everything before it in the mailbox is committed. It must not change or keep it. */
export interface LookEnvelope {
  readonly kind: "look"
  readonly look: (account: Account) => void
}

export type Envelope<Tag> = PurchasesEnvelope<Tag> | LookEnvelope

/** What all actors of an epoch have in common. */
export interface ActorContext<Tag> {
  readonly partition: number
  readonly writer: Pick<ChainWriter<Tag>, "submit">
  /** Returns the sequence of a user's newest revision, 0 for a user without one. */
  readonly headOf: (userToken: string) => number
  /** The most envelopes that one actor has waiting. */
  readonly mailboxMax: number
  /** A revision is committed that holds purchases of these messages. */
  readonly applied: (revision: Revision, messages: ReadonlyArray<InputMessage<Tag>>) => void
  /** A purchase came again with another content. Its record is stored, and a commit counts it. */
  readonly conflict: (rejection: Rejection) => void
  /** Something was anything but a success: the epoch is over, and its end ends its actors. */
  readonly failed: (reason: string) => void
}

/** What an actor has at hand: the context of its epoch, and what its worker gives to all of them. */
export interface ActorHands<Tag> extends ActorContext<Tag> {
  readonly requests: ActorRequests
  readonly sealing: SealBounds
  /** Gives an actor its turn, by {@link ResidentActor.turn}: what is offered until then it finds together. */
  readonly wake: (actor: ResidentActor) => void
  /** Called when an actor has its account. */
  readonly loaded: (actor: ResidentActor) => void
  /** Called when an actor has done what it took; `purchaseIds` is the size of its purchaseId set. */
  readonly finished: (actor: ResidentActor, purchaseIds: number) => void
}

/** An actor as the slots of its worker know it, whatever its epoch. */
export abstract class ResidentActor extends LruEntry {
  usedAt = 0
  purchaseIds = 0
  isLoading = true
  /** Whether it has nothing to do. */
  abstract readonly isPassive: boolean
  abstract turn(): void
  abstract end(): void
}

/** What was taken from the mailbox. */
interface Work<Tag> {
  readonly messages: ReadonlyArray<InputMessage<Tag>>
  readonly deliveries: ReadonlyArray<Delivered>
  readonly looks: ReadonlyArray<LookEnvelope>
}

const noLooks: ReadonlyArray<LookEnvelope> = []
const noParts: ReadonlyArray<never> = []

const bytesOf = (deliveries: ReadonlyArray<Delivered>): number => {
  let units = 0
  for (const { purchase } of deliveries) {
    units += purchase.purchaseId.length + purchase.productName.length + purchase.productType.length
  }
  return units * 3
}

/** Takes what waits, up to what one revision holds, and returns the rest. Looks that were taken come after all purchases. */
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

const conflictOf = ({ purchase, inputSequence, inputIndex }: Delivered): Rejection => ({
  reason: `purchase ${purchase.purchaseId} was applied before with another content`,
  payload: encodePurchaseText(purchase),
  encoding: "text",
  inputSequence,
  index: inputIndex
})

/**
 * The actor of one user. It holds the account with its purchaseId set, and takes its mailbox in order: it decides what came
 * together as one, has it committed as one revision, and goes on when that is durable. It ends with its epoch.
 *
 * It is an object and not a fiber, because a worker has a hundred thousand: what it asks of the broker runs as effects, and
 * between two answers there is nothing to run.
 * One of its revisions at most waits for its commit, so the actor itself is the proposal.
 */
export class AccountActor<Tag> extends ResidentActor implements RevisionProposal<Tag> {
  readonly userToken: string
  private readonly hands: ActorHands<Tag>
  private readonly ended: (userToken: string) => void
  /** `undefined` while it is empty, as in most actors at most times. */
  private waiting: Array<Envelope<Tag>> | undefined
  private account: Account | undefined
  /** True from the first envelope until the mailbox is empty and nothing is in flight. */
  private isBusy = false
  private isOver = false
  /**
   * Whether it has decided nothing since it was loaded. Then it waits for a segment that is due: an actor that leaves memory
   * after each revision would otherwise store the same segment again and again, and never name it.
   */
  private isFresh = true
  /** What waits for a segment, because the account is at its bound. */
  private held: Work<Tag> | undefined
  private sealed: StoredSegment | undefined
  /** Of the revision that waits for its commit. */
  parts: ReadonlyArray<InputMessage<Tag>> = noParts
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

  /** Puts an envelope at the end of the mailbox; false if there is no room for it. */
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

  /** Runs a step. A mistake in it ends the epoch, and nobody else's work. */
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
    if (account === undefined) return this.load()
    const work = this.takeWaiting()
    if (work.deliveries.length === 0) return this.finish(account, work.looks)
    this.takeSealed(account)
    if (isSealDue(account, this.hands.sealing)) this.seal(account)
    const mustAwait = mustAwaitSeal(account, this.hands.sealing) || (this.isFresh && account.sealing > 0)
    if (mustAwait) this.held = work
    else this.decide(account, work)
  }

  private takeWaiting(): Work<Tag> {
    const waiting = this.waiting ?? []
    const [first] = waiting
    // Nearly all work of a worker with many users is one envelope.
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
    hands.requests.load(userToken, newest, (account) => this.step(this.begin, account))
  }

  private begin(account: Account): void {
    this.account = account
    this.hands.loaded(this)
    this.take()
  }

  private seal(account: Account): void {
    const { links } = account
    const { requests, sealing } = this.hands
    requests.seal(this.userToken, beginSeal(account, sealing), links, (stored) => {
      this.sealed = stored
      this.step(this.goOn, account)
    })
  }

  /** From here on the account's revisions name the segment, if one was stored since the last. */
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
    this.decide(account, held)
  }

  private decide(account: Account, work: Work<Tag>): void {
    const { userToken, hands } = this
    this.isFresh = false
    const decision = decide(account, work.deliveries)
    if (isEmpty(decision)) {
      const nothing = () => undefined
      hands.writer.submit({ userToken, parts: work.messages, line: nothing, committed: nothing })
      return this.finish(account, work.looks)
    }
    this.parts = work.messages
    this.looks = work.looks
    this.decision = decision
    if (decision.conflicts.length === 0) return hands.writer.submit(this)
    const rejections = decision.conflicts.map(conflictOf)
    this.rejections = rejections
    // What a commit refers to is stored before it.
    hands.requests.record(userToken, rejections, () => this.step(this.submit, undefined))
  }

  private submit(): void {
    this.hands.writer.submit(this)
  }

  /** Writes the line of the revision that waits. Nothing changes the account between its decision and its commit. */
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
      for (const rejection of rejections) hands.conflict(rejection)
    }
    this.finish(account, looks)
  }

  /** Answers the looks, and goes on with what came meanwhile. */
  private finish(account: Account, looks: ReadonlyArray<LookEnvelope>): void {
    for (const { look } of looks) look(account)
    if (this.waiting !== undefined) this.hands.wake(this)
    else this.isBusy = false
    this.hands.finished(this, account.purchaseIds.size)
  }
}
