import { Context, Layer } from "effect"
import { purchasesApplied, purchasesRejected, purchasesRepeated, reversalsApplied } from "./Measures.ts"

/** The numbers of purchases that a worker has handled since its process began. */
interface WorkDone {
  /** The time at which the process began, in milliseconds since 1970. */
  readonly startedAt: number
  readonly applied: number
  readonly repeats: number
  readonly rejected: number
  /** The accounts that cannot be read, at most {@link stoppedShownMax}; missing if all accounts can be read. */
  readonly stopped?: ReadonlyArray<StoppedAccount>
}

/**
 * A stopped account, which cannot be read. The purchases of a stopped account are rejected, and questions about the
 * account are refused.
 */
interface StoppedAccount {
  readonly account: string
  readonly problem: string
}

/** The most stopped accounts that a worker names in its signs of life. */
const stoppedShownMax = 10
/** The most stopped accounts of one partition that are counted. */
const stoppedMax = 10_000

/** The parts of a committed revision that are counted. */
interface CountedRevision {
  /** The entries of the revision. A reversal has the member `reversal`. */
  readonly purchases: ReadonlyArray<{ readonly reversal?: object }>
  readonly repeats: ReadonlyMap<string, { readonly repeats: number; readonly conflicts: number }>
}

class CountedWork {
  private readonly startedAt = Math.round(performance.timeOrigin)
  private applied = 0
  private repeats = 0
  private rejected = 0
  /** The problems that stopped the accounts, by partition and account. */
  private readonly stopped = new Map<number, Map<string, string>>()

  done(): WorkDone {
    const { startedAt, applied, repeats, rejected } = this
    const stopped = this.stoppedAccounts()
    return { startedAt, applied, repeats, rejected, ...(stopped.length === 0 ? {} : { stopped }) }
  }

  accountStopped(partition: number, account: string, problem: string): void {
    const accounts = this.stopped.get(partition) ?? new Map<string, string>()
    if (accounts.size < stoppedMax) accounts.set(account, problem)
    this.stopped.set(partition, accounts)
  }

  accountsEnded(partition: number): void {
    this.stopped.delete(partition)
  }

  stoppedCount(): number {
    return this.stopped.values().reduce((sum, { size }) => sum + size, 0)
  }

  stoppedRejected(count: number): void {
    purchasesRejected(count, "account-unreadable")
    this.rejected += count
  }

  private stoppedAccounts(): ReadonlyArray<StoppedAccount> {
    return this.stopped
      .values()
      .flatMap((accounts) => accounts.entries())
      .map(([account, problem]) => ({ account, problem }))
      .take(stoppedShownMax)
      .toArray()
  }

  revisionApplied({ purchases, repeats }: CountedRevision): void {
    let reversals = 0
    for (const { reversal } of purchases) if (reversal !== undefined) reversals += 1
    const bought = purchases.length - reversals
    if (bought > 0) purchasesApplied(bought)
    if (reversals > 0) reversalsApplied(reversals)
    this.applied += bought
    for (const counts of repeats.values()) {
      if (counts.repeats > 0) purchasesRepeated(counts.repeats, "purchase-id-set")
      if (counts.conflicts > 0) purchasesRejected(counts.conflicts, "conflict")
      this.repeats += counts.repeats
      this.rejected += counts.conflicts
    }
  }

  reversalsRefused(count: number): void {
    purchasesRejected(count, "reversal-refused")
    this.rejected += count
  }

  unreadableRejected(count: number): void {
    purchasesRejected(count, "unreadable")
    this.rejected += count
  }
}

/** Counts the purchases of one worker, for the metrics of its process and for its signs of life. */
export class WorkCounters extends Context.Service<
  WorkCounters,
  {
    /** Returns what the worker has counted so far. */
    readonly done: () => WorkDone
    /** Counts the purchases of a committed revision, and the repeats and conflicts that the revision counts. */
    readonly revisionApplied: (revision: CountedRevision) => void
    /** Counts reversals that are refused. */
    readonly reversalsRefused: (count: number) => void
    /** Counts purchases of a message that could not be read. */
    readonly unreadableRejected: (count: number) => void
    /** Counts purchases of accounts that cannot be read. */
    readonly stoppedRejected: (count: number) => void
    /** Takes note of an account that cannot be read. */
    readonly accountStopped: (partition: number, account: string, problem: string) => void
    /** Removes the stopped accounts of a partition whose epoch is over. */
    readonly accountsEnded: (partition: number) => void
    /** Returns the number of accounts that cannot be read. */
    readonly stoppedCount: () => number
  }
>()("purchases/metrics/WorkCounters") {
  static readonly layer = Layer.sync(WorkCounters, () => new CountedWork())
}
