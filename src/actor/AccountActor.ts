import { Deferred, Effect } from "effect"
import {
  type Account,
  beginSeal,
  decide,
  type Decision,
  type Delivered,
  endSeal,
  evolve,
  isEmpty,
  isSealDue,
  mustAwaitSeal,
  revisionOf
} from "../domain/Account.ts"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import { encodePurchaseText, messagePurchasesMax } from "../domain/PurchaseMessage.ts"
import type { Rejection } from "../domain/Rejection.ts"
import { encodeRevision, type Revision } from "../domain/Revision.ts"
import { encodeSegment, linksAfter, type SegmentContent, type SegmentLinks } from "../domain/Segment.ts"
import { rejectedKey } from "../domain/Subject.ts"
import { AccountReader } from "../ledger/AccountReader.ts"
import { type ChainWriter, commitRevisionsMax } from "../ledger/ChainWriter.ts"
import type { InputMessage } from "../ledger/InputProgress.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { RejectedRecords } from "../nats/RejectedRecords.ts"
import type { Mailbox } from "./Mailbox.ts"

/** With so many purchases an actor takes no further message into a revision. The last message may bring its most. */
export const revisionPurchasesMax = commitRevisionsMax - messagePurchasesMax
/**
 * With this many bytes neither: together with one more message, which has half of the broker's `max_payload` at most,
 * a revision stays below it. A UTF-16 unit counts as three bytes, the most that it takes.
 */
export const revisionBytesMax = 256 * 1024
/** How many records of one decision's conflicts are written at once. */
const recordsAtOnceMax = 16

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
  /** A revision is committed that holds purchases of these messages. */
  readonly applied: (revision: Revision, messages: ReadonlyArray<InputMessage<Tag>>) => void
  /** A purchase came again with another content; `rejectedAs` is the key of its record. */
  readonly conflict: (delivered: Delivered, rejectedAs: string) => void
  /** Something was anything but a success: the epoch is over, and its end interrupts its actors. */
  readonly failed: (reason: string) => void
}

/** What the actors of an epoch need. */
export type ActorServices = AccountReader | CommitChain | RejectedRecords

/** The place of one actor among those of its worker. */
export interface ActorPlace<Tag> {
  readonly userToken: string
  readonly mailbox: Mailbox<Envelope<Tag>>
  /** Told when the actor has its account. */
  loaded(): void
  /** Told when the actor has done what it took; `members` is the size of its purchaseId set. */
  finished(members: number): void
}

interface Work<Tag> {
  readonly purchases: Array<PurchasesEnvelope<Tag>>
  readonly deliveries: Array<Delivered>
  readonly looks: Array<LookEnvelope>
}

/** The segments of an account that are on their way. */
interface Sealing {
  readonly done: Deferred.Deferred<void>
  stored: { readonly segment: number; readonly links: SegmentLinks } | undefined
}

/** An account in the hands of its actor. */
interface Held {
  readonly account: Account
  sealing: Sealing | undefined
}

const bytesOf = (deliveries: ReadonlyArray<Delivered>): number => {
  let units = 0
  for (const { purchase } of deliveries) {
    units += purchase.purchaseId.length + purchase.productName.length + purchase.productType.length
  }
  return units * 3
}

/** Takes what is in the mailbox, up to what one revision holds. Looks that were taken come after all purchases. */
const takeWork = <Tag>(mailbox: Mailbox<Envelope<Tag>>): Effect.Effect<Work<Tag>> =>
  Effect.map(mailbox.filled, () => {
    const work: Work<Tag> = { purchases: [], deliveries: [], looks: [] }
    let bytes = 0
    for (let envelope = mailbox.take(); envelope !== undefined; envelope = mailbox.take()) {
      if (envelope.kind === "look") work.looks.push(envelope)
      else {
        work.purchases.push(envelope)
        work.deliveries.push(...envelope.deliveries)
        bytes += bytesOf(envelope.deliveries)
      }
      if (work.deliveries.length >= revisionPurchasesMax || bytes >= revisionBytesMax) break
    }
    return work
  })

/** The epoch is over after a failure, and its end interrupts whoever waits here. */
const orEndEpoch = <A, Tag>(
  { failed }: ActorContext<Tag>,
  what: string,
  effect: Effect.Effect<A, { readonly message: string }>
): Effect.Effect<A> =>
  effect.pipe(
    Effect.tapError((failure) => Effect.sync(() => failed(`${what}: ${failure.message}`))),
    Effect.catch(() => Effect.never)
  )

const conflictOf = ({ purchase, inputSequence, inputIndex }: Delivered): Rejection => ({
  reason: `purchase ${purchase.purchaseId} was applied before with another content`,
  payload: encodePurchaseText(purchase),
  encoding: "text",
  inputSequence,
  index: inputIndex
})

/** Stores segments one after the other, because each names those before it. */
const storeSegments = Effect.fnUntraced(function* (
  chain: (typeof CommitChain)["Service"],
  place: { readonly partition: number; readonly userToken: string },
  contents: ReadonlyArray<SegmentContent>,
  first: SegmentLinks
): Effect.fn.Return<{ readonly segment: number; readonly links: SegmentLinks }, BrokerFailure> {
  let links = first
  let segment = 0
  for (const content of contents) {
    const { partition, userToken } = place
    segment = yield* chain.seal(partition, encodeSegment({ userToken, ...content, links }))
    links = linksAfter(links, segment)
  }
  return { segment, links }
})

/**
 * Makes the actors of an epoch. The actor of a user loads the account with its purchaseId set, and then takes its mailbox in
 * order: it decides what came together as one, has it committed as one revision, and goes on when that is durable.
 */
export const makeActors = Effect.fnUntraced(function* <Tag>(context: ActorContext<Tag>) {
  const reader = yield* AccountReader
  const chain = yield* CommitChain
  const rejected = yield* RejectedRecords
  const { partition, writer } = context

  const startSealing = Effect.fnUntraced(function* (userToken: string, held: Held) {
    const { account } = held
    const sealing: Sealing = { done: Deferred.makeUnsafe(), stored: undefined }
    held.sealing = sealing
    const storing = storeSegments(chain, { partition, userToken }, beginSeal(account), account.links)
    yield* orEndEpoch(context, `account ${userToken}`, storing).pipe(
      Effect.map((stored) => {
        sealing.stored = stored
        Deferred.doneUnsafe(sealing.done, Effect.void)
      }),
      Effect.forkChild
    )
  })

  /** From here on the account's revisions name the segment, if it is stored. */
  const takeStored = (held: Held) => {
    const stored = held.sealing?.stored
    if (stored === undefined) return
    endSeal(held.account, stored.segment, stored.links)
    held.sealing = undefined
  }

  /** Begins a segment if it is due. Waits for the one that is on its way only at the bound. */
  const seal = Effect.fnUntraced(function* (userToken: string, held: Held) {
    takeStored(held)
    if (isSealDue(held.account)) yield* startSealing(userToken, held)
    if (held.sealing === undefined || !mustAwaitSeal(held.account)) return
    yield* Deferred.await(held.sealing.done)
    takeStored(held)
  })

  const recordConflicts = (userToken: string, conflicts: ReadonlyArray<Delivered>) => {
    const record = (delivered: Delivered) => rejected.record(conflictOf(delivered))
    const records = Effect.forEach(conflicts, record, { concurrency: recordsAtOnceMax, discard: true })
    return orEndEpoch(context, `account ${userToken}`, records)
  }

  /** Has a decision committed: first what the commit refers to, then the revision. */
  const commit = Effect.fnUntraced(function* (
    userToken: string,
    account: Account,
    decision: Decision,
    parts: ReadonlyArray<InputMessage<Tag>>
  ) {
    const { conflicts } = decision
    if (conflicts.length > 0) yield* recordConflicts(userToken, conflicts)
    const revision = revisionOf(account, decision)
    const line = encodeRevision(userToken, revision)
    yield* Effect.callback<void>((resume) => {
      const committed = (sequence: number) => {
        evolve(account, revision, sequence)
        context.applied(revision, parts)
        resume(Effect.void)
      }
      writer.submit({ userToken, line, parts, committed })
    })
    for (const delivered of conflicts) {
      context.conflict(delivered, rejectedKey(delivered.inputSequence, delivered.inputIndex))
    }
  })

  /** Does what was taken: decides it as one, has it committed, and answers the looks when that is durable. */
  const doWork = Effect.fnUntraced(function* (place: ActorPlace<Tag>, held: Held, work: Work<Tag>) {
    const { userToken } = place
    const { account } = held
    if (work.purchases.length > 0) {
      if (held.sealing !== undefined || isSealDue(account)) yield* seal(userToken, held)
      const parts = work.purchases.map((envelope) => envelope.message)
      const decision = decide(account, work.deliveries)
      if (isEmpty(decision)) writer.submit({ userToken, line: undefined, parts, committed: () => undefined })
      else yield* commit(userToken, account, decision, parts)
    }
    for (const { look } of work.looks) look(account)
    place.finished(account.seen.size)
  })

  return Effect.fnUntraced(function* (place: ActorPlace<Tag>): Effect.fn.Return<never> {
    const { userToken, mailbox } = place
    const loading = reader.load(userToken, context.headOf(userToken))
    const account = yield* orEndEpoch(context, `account ${userToken}`, loading)
    place.loaded()
    const held: Held = { account, sealing: undefined }
    // What it worked on is in a frame of its own: in this one the collector would find it until there is more to do.
    const turn = Effect.flatMap(takeWork(mailbox), (work) => doWork(place, held, work))
    while (true) yield* turn
  })
})
