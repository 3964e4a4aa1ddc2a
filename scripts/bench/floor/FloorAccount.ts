import type { Purchase } from "../../../src/account/Purchase.ts"

/** A purchase, as a message of the input log has it. */
export type FloorPurchase = typeof Purchase.Encoded

/**
 * The bounds at which the floor writes a segment: the number of purchase ids, or of revisions, that are in no segment.
 */
const unsealedIdsMax = 256
const unsealedRevisionsMax = 32
const previousMax = 20

type AppliedTuple = readonly [string, string, string, number, number, number, number, number]

/** A revision, as a line of a commit has it. */
type RevisionLine = readonly [
  userToken: string,
  total: string,
  count: number,
  decidedThrough: number,
  purchases: ReadonlyArray<AppliedTuple>,
  repeats: ReadonlyArray<readonly [string, number]>,
  previous: ReadonlyArray<number>,
  unsealed: number,
  segment: number
]
type SegmentRecord = readonly [ids: ReadonlyArray<string>, segmentBefore: number]

/** The functions that read the messages from which an account is loaded. */
export interface AccountReads {
  readonly lineAt: (sequence: number, userToken: string) => Promise<string>
  readonly segmentAt: (sequence: number) => Promise<string>
}

/** The account of one user in the floor, and the line of the account in the next commit. */
export class FloorAccount {
  readonly userToken: string
  /** The number of deliveries for the account that are not committed yet. */
  inHand = 0
  /**
   * The functions that answer reads of the account. The functions in `looks` are called when the commit in flight is
   * durable.
   */
  looks: Array<() => void> = []
  isCommitting = false
  isSealing = false
  private cents = 0
  private purchases = 0
  private decidedThrough = 0
  private readonly applied = new Set<string>()
  private previous: Array<number> = []
  private segment = 0
  private unsealedIds: Array<string> = []
  private unsealedRevisions = 0
  private fresh: Array<AppliedTuple> = []
  private repeats: Map<string, number> | undefined

  constructor(userToken: string) {
    this.userToken = userToken
  }

  /** The total of the account, in cents. */
  get total(): string {
    return String(this.cents)
  }

  get count(): number {
    return this.purchases
  }

  /** Whether the account may be dropped from memory, because no delivery and no read waits for it. */
  get isIdle(): boolean {
    return this.inHand === 0 && !this.isCommitting && !this.isSealing
  }

  get isSegmentDue(): boolean {
    const isFull = this.unsealedIds.length >= unsealedIdsMax || this.unsealedRevisions >= unsealedRevisionsMax
    return isFull && !this.isSealing
  }

  apply(purchase: FloorPurchase, sequence: number, index: number, storedAt: number): void {
    const { purchaseId, productName, productType, valueCents, quantity } = purchase
    this.decidedThrough = sequence
    if (this.applied.has(purchaseId)) {
      this.repeats ??= new Map()
      this.repeats.set(purchaseId, (this.repeats.get(purchaseId) ?? 0) + 1)
      return
    }
    this.applied.add(purchaseId)
    this.cents += valueCents * quantity
    this.purchases += 1
    this.fresh.push([purchaseId, productName, productType, valueCents, quantity, sequence, index, storedAt])
  }

  /** Writes the line of the account's next revision, with the purchases of all waiting deliveries. */
  takeLine(): string {
    const { userToken, total, count, decidedThrough, fresh, repeats, previous, segment } = this
    const repeated = repeats === undefined ? [] : Array.from(repeats)
    this.unsealedRevisions += 1
    for (const [id] of fresh) this.unsealedIds.push(id)
    this.fresh = []
    this.repeats = undefined
    const unsealed = this.unsealedRevisions
    const line: RevisionLine = [userToken, total, count, decidedThrough, fresh, repeated, previous, unsealed, segment]
    return JSON.stringify(line)
  }

  committed(sequence: number): void {
    this.previous = [sequence, ...this.previous.slice(0, previousMax - 1)]
  }

  /**
   * Begins a segment of the committed purchase ids that are in no segment. After a call of `sealed`, the next line of
   * the account names the segment.
   */
  seal(): { readonly text: string; readonly sealed: (sequence: number) => void } {
    const record: SegmentRecord = [this.unsealedIds.slice(), this.segment]
    const ids = this.unsealedIds.length
    const revisions = this.unsealedRevisions
    this.isSealing = true
    const sealed = (sequence: number) => {
      this.isSealing = false
      this.segment = sequence
      this.unsealedIds = this.unsealedIds.slice(ids)
      this.unsealedRevisions -= revisions
    }
    return { text: JSON.stringify(record), sealed }
  }

  /** Reads an account: its newest revision, the revisions whose ids are in no segment, and the segments. */
  static async read(userToken: string, newest: number, reads: AccountReads): Promise<FloorAccount> {
    const account = new FloorAccount(userToken)
    const parsed = async (at: number): Promise<RevisionLine> => JSON.parse(await reads.lineAt(at, userToken))
    const line = await parsed(newest)
    const [, total, count, decidedThrough, purchases, , previous, unsealed, segment] = line
    account.cents = Number(total)
    account.purchases = count
    account.decidedThrough = decidedThrough
    account.segment = segment
    account.unsealedRevisions = unsealed
    account.previous = [newest, ...previous.slice(0, previousMax - 1)]
    let oldest = line
    const revisions = [purchases]
    while (revisions.length < unsealed) {
      const older = await Promise.all(oldest[6].slice(0, unsealed - revisions.length).map(parsed))
      oldest = older.at(-1) as RevisionLine
      revisions.push(...older.map((one) => one[4]))
    }
    for (const tuples of revisions) for (const [id] of tuples) account.unsealedIds.push(id)
    for (const id of account.unsealedIds) account.applied.add(id)
    for (let at = segment; at > 0;) {
      const [ids, before]: SegmentRecord = JSON.parse(await reads.segmentAt(at))
      for (const id of ids) account.applied.add(id)
      at = before
    }
    if (account.applied.size !== count) throw new Error(`${userToken}: ${account.applied.size} ids of ${count}`)
    return account
  }
}
