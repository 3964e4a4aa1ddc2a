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
  type StoredRevision,
  type Targets,
  targetsNeeded
} from "../../src/account/Account.ts"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import type { AppliedPurchase } from "../../src/account/Revision.ts"
import { decodeRevision, encodeRevision } from "../../src/protocol/RevisionCodec.ts"
import { linksAfter, type SegmentLinks } from "../../src/account/Segment.ts"
import { encodeSegment } from "../../src/protocol/SegmentCodec.ts"

/** Takes the records of an account. Each record gets a higher sequence than the record before it. */
export interface RecordStore {
  readonly commit: (text: string) => number
  readonly segment: (text: string) => number
}

/** Writes one account as its actor does, with the functions of the domain alone. */
export class AccountLedger {
  account: Account = emptyAccount()
  /** The stored revisions, oldest first. */
  readonly revisions: Array<StoredRevision & { readonly line: string }> = []
  /** The sequences of all segments, oldest first. */
  readonly segments: Array<number> = []
  private stored: { readonly segment: number; readonly links: SegmentLinks } | undefined
  private commitsSinceSeal = 0
  private readonly userToken: string
  private readonly store: RecordStore

  constructor(userToken: string, store: RecordStore) {
    this.userToken = userToken
    this.store = store
  }

  /** Commits the effect of deliveries as one revision. Does nothing if the deliveries have no effect. */
  commit(deliveries: ReadonlyArray<Delivered>): Decision {
    const decision = decide(this.account, deliveries, this.targetsFor(deliveries))
    if (isEmpty(decision)) return decision
    const revision = revisionOf(this.account, decision)
    const line = encodeRevision(this.userToken, revision)
    const head = { kind: "commit", epoch: 1, worker: "w", position: 0 } as const
    const sequence = this.store.commit(encodeCommit(head, [line]))
    this.revisions.push({ sequence, revision, line })
    evolve(this.account, revision, sequence)
    this.commitsSinceSeal += 1
    return decision
  }

  /** Reads the purchases that reversals name from the stored lines, as an actor does. */
  private targetsFor(deliveries: ReadonlyArray<Delivered>): Targets | undefined {
    const needed = targetsNeeded(this.account, deliveries)
    if (needed === undefined) return undefined
    const targets = new Map<string, AppliedPurchase>()
    for (const [purchaseId, sequence] of needed) {
      const { line } = this.revisions.find((stored) => stored.sequence === sequence) ?? { line: "" }
      for (const entry of decodeRevision(line).purchases) {
        if (entry.purchaseId === purchaseId && entry.reversal === undefined) targets.set(purchaseId, entry)
      }
    }
    return targets
  }

  /** Stores segments of everything that is unsealed. No revision names these segments before {@link endSeal}. */
  beginSeal(): void {
    let { links } = this.account
    let segment = 0
    for (const content of beginSeal(this.account)) {
      segment = this.store.segment(encodeSegment({ userToken: this.userToken, ...content, links }))
      this.segments.push(segment)
      links = linksAfter(links, segment)
    }
    this.stored = { segment, links }
    this.commitsSinceSeal = 0
  }

  endSeal(): void {
    if (this.stored === undefined) return
    endSeal(this.account, this.stored.segment, this.stored.links)
    this.stored = undefined
  }

  /** Begins and ends segments before a commit. The storing of a segment takes as long as `commitsMeanwhile` commits. */
  seal(commitsMeanwhile: number): void {
    if (this.commitsSinceSeal >= commitsMeanwhile) this.endSeal()
    if (isSealDue(this.account)) this.beginSeal()
    if (mustAwaitSeal(this.account)) this.endSeal()
  }

  /** Goes on with an account that was loaded. The segments that the former account had in flight are lost. */
  restart(account: Account): void {
    this.account = account
    this.stored = undefined
  }
}
