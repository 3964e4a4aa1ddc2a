import type { DeliveredReversal } from "./Delivered.ts"
import type { Cents } from "./Money.ts"
import type { Content } from "./Purchase.ts"
import type { AppliedId, PurchaseIdSet } from "./PurchaseIdSet.ts"
import type { RefusalReason } from "./Reversal.ts"
import type { AppliedPurchase } from "./Revision.ts"

/** A reversal that is refused. */
export interface Refusal {
  readonly delivered: DeliveredReversal
  readonly reason: RefusalReason
  /** The pieces of the purchase that were left; 0 if the purchase is not applied. */
  readonly left: number
  /** The account's total when the reversal is refused, in cents. */
  readonly totalAfter: Cents
}

/** The contents of applied purchases that reversals name, by purchase id. */
export type Targets = ReadonlyMap<string, Content>

/**
 * The most bytes of product names and types that the reversals of one message copy from their purchases. A reversal in
 * the input log has no product name or type. Without this bound, a small message could make a revision that no commit
 * has room for.
 */
export const copiedBytesMax = 192 * 1024

/** The parts of an account by which reversals are decided. */
interface ReversedAccount {
  readonly purchaseIds: Pick<PurchaseIdSet, "get">
  readonly decidedThrough: number
}

/** Decides the reversals in one decision of an actor, one reversal after the other. */
export class Reversing {
  /** The reversals that were refused so far. */
  readonly refusals: Array<Refusal> = []
  /** The number of reversals that were applied so far. */
  applied = 0
  /** The pieces that this decision takes back, by purchase id. */
  private readonly taken = new Map<string, number>()
  /** The input sequence of the newest message, and the bytes that the reversals of this message have copied. */
  private copiedFor = 0
  private copiedBytes = 0
  private readonly account: ReversedAccount
  private readonly targets: Targets

  constructor(account: ReversedAccount, targets: Targets) {
    this.account = account
    this.targets = targets
  }

  /**
   * Returns the entry of a reversal whose id is new. Returns `undefined` if the reversal is refused now, or was refused
   * before. `earlier` has the entries that the same decision has applied. `total` is the account's total after the
   * entries of `earlier`.
   */
  entryOf(
    delivered: DeliveredReversal,
    storedAt: number,
    earlier: ReadonlyArray<AppliedPurchase>,
    total: Cents
  ): AppliedPurchase | undefined {
    const { reversal, inputSequence, inputIndex } = delivered
    // If a reversal was decided before and has no id in the purchaseId set, it was refused, and its rejected record is
    // stored.
    if (inputSequence <= this.account.decidedThrough) return undefined
    const { reversalId, purchaseId, reason, quantity: asked = 0 } = reversal
    const known = this.account.purchaseIds.get(purchaseId)
    const content = this.contentOf(purchaseId, known, earlier)
    if (content === undefined) return this.refuse({ delivered, reason: "no-purchase", left: 0, totalAfter: total })
    const taken = this.taken.get(purchaseId) ?? 0
    const left = content.quantity - (known?.reversed ?? 0) - taken
    if (left === 0) return this.refuse({ delivered, reason: "nothing-left", left, totalAfter: total })
    if (asked > left) return this.refuse({ delivered, reason: "more-than-left", left, totalAfter: total })
    if (!this.hasRoomFor(content, inputSequence)) {
      return this.refuse({ delivered, reason: "message-too-large", left, totalAfter: total })
    }
    const quantity = asked === 0 ? left : asked
    this.taken.set(purchaseId, taken + quantity)
    this.applied += 1
    const { productName, productType, valueCents } = content
    const applied = { purchaseId, productName, productType, valueCents, quantity, inputSequence, inputIndex, storedAt }
    return { ...applied, reversal: { reversalId, reason, asked, previous: known?.lastReversal ?? 0 } }
  }

  private contentOf(
    purchaseId: string,
    known: AppliedId | undefined,
    earlier: ReadonlyArray<AppliedPurchase>
  ): Content | undefined {
    if (known === undefined) {
      return earlier.find((entry) => entry.reversal === undefined && entry.purchaseId === purchaseId)
    }
    const content = this.targets.get(purchaseId)
    if (content === undefined) throw new Error(`the content of the purchase ${purchaseId} was not read`)
    return content
  }

  private hasRoomFor({ productName, productType }: Content, inputSequence: number): boolean {
    if (inputSequence !== this.copiedFor) {
      this.copiedFor = inputSequence
      this.copiedBytes = 0
    }
    this.copiedBytes += Buffer.byteLength(productName) + Buffer.byteLength(productType)
    return this.copiedBytes <= copiedBytesMax
  }

  private refuse(refusal: Refusal): undefined {
    this.refusals.push(refusal)
  }
}
