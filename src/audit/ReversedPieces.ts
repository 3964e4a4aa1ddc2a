/** The pieces of one purchase that were taken back. */
interface ReversedPurchase {
  pieces: number
  /** The newest commit with a reversal of the purchase. */
  last: number
  /** The newest commit with a reversal of the purchase before `last`, 0 without one. */
  before: number
}

/** About the bytes in memory of a reversed purchase. */
export const reversedBytes = 200

/** The pieces of an account's purchases that were taken back, by purchase id. */
export class ReversedPieces {
  private readonly purchases = new Map<string, ReversedPurchase>()

  get size(): number {
    return this.purchases.size
  }

  /** Returns the pieces of a purchase that earlier reversals took back. */
  piecesOf(purchaseId: string): number {
    return this.purchases.get(purchaseId)?.pieces ?? 0
  }

  /**
   * Returns the sequence that a reversal in a commit has to name: the newest earlier commit with a reversal of the same
   * purchase, or 0.
   */
  previousOf(purchaseId: string, sequence: number): number {
    const known = this.purchases.get(purchaseId)
    if (known === undefined) return 0
    return known.last === sequence ? known.before : known.last
  }

  /** Adds a reversal of a purchase in a commit. */
  add(purchaseId: string, pieces: number, sequence: number): void {
    const known = this.purchases.get(purchaseId)
    if (known === undefined) {
      this.purchases.set(purchaseId, { pieces, last: sequence, before: 0 })
      return
    }
    known.pieces += pieces
    if (known.last !== sequence) {
      known.before = known.last
      known.last = sequence
    }
  }
}
