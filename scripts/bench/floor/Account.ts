import type { Purchase } from "../../../src/domain/Purchase.ts"

/** A purchase as a message carries it. */
export type FloorPurchase = typeof Purchase.Encoded

/** A write to the bucket, with the revision that its key must have. */
export interface FloorWrite {
  readonly key: string
  readonly value: string
  readonly expected: number
  /** Told the sequence of the write. */
  readonly written: (sequence: number) => void
}

const sealEvery = 256
const previousMax = 20

/** The state of one user, and what the next commit writes of it. */
export class FloorAccount {
  private readonly key: string
  private cents = 0
  private purchases = 0
  private decidedThrough = 0
  private revision = 0
  private segments = 0
  private readonly applied = new Set<string>()
  private readonly unsealed: Array<readonly [string, number]> = []
  private previous: Array<number> = []
  private fresh: Array<ReadonlyArray<string | number>> = []
  private readonly repeats = new Map<string, number>()

  constructor(userId: string) {
    this.key = userId
  }

  /** In cents. */
  get total(): string {
    return String(this.cents)
  }

  get count(): number {
    return this.purchases
  }

  /** How many purchases wait for the next commit. */
  get pending(): number {
    return this.fresh.length
  }

  /** How many writes the next commit makes of it. */
  get nextWrites(): number {
    return this.unsealed.length >= sealEvery ? 2 : 1
  }

  apply(purchase: FloorPurchase, sequence: number, index: number, storedAt: number): void {
    const { purchaseId, productName, productType, valueCents, quantity } = purchase
    this.decidedThrough = sequence
    if (this.applied.has(purchaseId)) {
      this.repeats.set(purchaseId, (this.repeats.get(purchaseId) ?? 0) + 1)
      return
    }
    this.applied.add(purchaseId)
    this.cents += valueCents * quantity
    this.purchases += 1
    this.fresh.push([purchaseId, productName, productType, valueCents, quantity, sequence, index, storedAt])
  }

  /** The next revision, and a sealed part of the set of ids when there is one. */
  writes(): Array<FloorWrite> {
    const { fresh, unsealed } = this
    const writes: Array<FloorWrite> = []
    if (this.nextWrites === 2) {
      const value = JSON.stringify({ version: 1, entries: unsealed.splice(0) })
      writes.push({ key: `seen.${this.key}.${this.segments}`, value, expected: 0, written: () => undefined })
      this.segments += 1
    }
    const value = JSON.stringify({
      version: 1,
      total: this.total,
      count: this.count,
      decidedThrough: this.decidedThrough,
      purchases: fresh,
      repeats: Array.from(this.repeats),
      previous: this.previous,
      segments: this.segments
    })
    const written = (sequence: number) => {
      this.revision = sequence
      this.previous = [sequence, ...this.previous.slice(0, previousMax - 1)]
      for (const [purchaseId] of fresh) unsealed.push([String(purchaseId), sequence])
    }
    writes.push({ key: `account.${this.key}`, value, expected: this.revision, written })
    this.fresh = []
    this.repeats.clear()
    return writes
  }
}
