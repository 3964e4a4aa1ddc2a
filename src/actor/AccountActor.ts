import { Effect } from "effect"
import {
  type Account,
  decide,
  type Decision,
  type Delivered,
  dueSegment,
  evolve,
  isEmpty,
  revisionOf
} from "../domain/Account.ts"
import { encodePurchaseText, messagePurchasesMax } from "../domain/PurchaseMessage.ts"
import { encodeRevision, encodeSegment, type Revision } from "../domain/Revision.ts"
import { accountKey, rejectedKey, segmentKey } from "../domain/Subject.ts"
import { AccountReader } from "../ledger/AccountReader.ts"
import type { InputMessage } from "../ledger/InputProgress.ts"
import { Journal } from "../ledger/Journal.ts"
import type { CommitEpoch } from "../ledger/Proposal.ts"
import { encodeRejection } from "../domain/Rejection.ts"
import { batchMessagesMax, type Write } from "../nats/LedgerBucket.ts"
import type { Mailbox } from "./Mailbox.ts"

/**
 * With this many purchases an actor takes no further message into a revision. Each purchase may be a conflict with a
 * record of its own, and the last message may bring its most; with segment, revision and position that still fits.
 */
export const revisionPurchasesMax = batchMessagesMax - messagePurchasesMax - 2
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
  readonly epoch: CommitEpoch<Tag>
  /** A revision is committed that holds purchases of these messages. */
  readonly applied: (revision: Revision, messages: ReadonlyArray<InputMessage<Tag>>) => void
  /** A purchase came again with another content; `rejectedAs` is the key of its record. */
  readonly conflict: (delivered: Delivered, rejectedAs: string) => void
}

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

/** What a decision writes: the conflicts' records, a segment when one is due, and the revision as the last. */
const writesOf = (userToken: string, account: Account, decision: Decision) => {
  const segment = dueSegment(account)
  const revision = revisionOf(account, decision, segment !== undefined)
  const writes: Array<Write> = decision.conflicts.map((delivered) => ({
    key: rejectedKey(delivered.inputSequence, delivered.inputIndex),
    value: encodeRejection({
      reason: `purchase ${delivered.purchase.purchaseId} was applied before with another content`,
      payload: encodePurchaseText(delivered.purchase),
      encoding: "text",
      inputSequence: delivered.inputSequence,
      index: delivered.inputIndex
    })
  }))
  if (segment !== undefined) {
    writes.push({ key: segmentKey(userToken, revision.segments), value: encodeSegment(segment), expected: 0 })
  }
  writes.push({ key: accountKey(userToken), value: encodeRevision(revision), expected: account.revision })
  return { revision, writes }
}

/** Does what was taken: decides it as one, has it committed, and answers the looks when that is durable. */
const doWork = Effect.fnUntraced(function* <Tag>(
  journal: (typeof Journal)["Service"],
  context: ActorContext<Tag>,
  place: ActorPlace<Tag>,
  account: Account,
  work: Work<Tag>
) {
  const { epoch } = context
  if (work.purchases.length > 0) {
    const parts = work.purchases.map((envelope) => envelope.message)
    const decision = decide(account, work.deliveries)
    if (isEmpty(decision)) journal.submit({ epoch, writes: [], parts, committed: () => undefined })
    else {
      const { revision, writes } = writesOf(place.userToken, account, decision)
      yield* Effect.callback<void>((resume) =>
        journal.submit({
          epoch,
          writes,
          parts,
          committed: (sequence) => {
            evolve(account, revision, sequence)
            context.applied(revision, parts)
            resume(Effect.void)
          }
        })
      )
      for (const delivered of decision.conflicts) {
        context.conflict(delivered, rejectedKey(delivered.inputSequence, delivered.inputIndex))
      }
    }
  }
  for (const { look } of work.looks) look(account)
  place.finished(account.seen.size)
})

/**
 * The actor of one user: loads the account with its purchaseId set, and then takes its mailbox in order: decides what
 * came together as one, has it committed as one revision, and goes on when that is durable. It ends with its epoch.
 */
export const accountActor = Effect.fnUntraced(function* <Tag>(
  context: ActorContext<Tag>,
  place: ActorPlace<Tag>
): Effect.fn.Return<never, never, AccountReader | Journal> {
  const reader = yield* AccountReader
  const journal = yield* Journal
  const { epoch } = context
  const { userToken, mailbox } = place
  const account = yield* reader.load(userToken).pipe(
    Effect.tapError((failure) => Effect.sync(() => epoch.failed(`account ${userToken}: ${failure.message}`))),
    // The epoch is over, and its end interrupts this fiber.
    Effect.catch(() => Effect.never)
  )
  place.loaded()
  // What it worked on is in a frame of its own: in this one the collector would find it until there is more to do.
  const turn = Effect.flatMap(takeWork(mailbox), (work) => doWork(journal, context, place, account, work))
  while (true) yield* turn
})
