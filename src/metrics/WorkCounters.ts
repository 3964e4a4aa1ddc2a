import { Context, Layer } from "effect"
import { purchasesApplied, purchasesRejected, purchasesRepeated } from "./Measures.ts"

/** The purchases that a worker has handled since its process began. */
interface WorkDone {
  /** When the process began, in milliseconds since 1970. */
  readonly startedAt: number
  readonly applied: number
  readonly repeats: number
  readonly rejected: number
}

/** The parts of a committed revision that are counted. */
interface CountedRevision {
  readonly purchases: { readonly length: number }
  readonly repeats: ReadonlyMap<string, { readonly repeats: number; readonly conflicts: number }>
}

class CountedWork {
  private readonly startedAt = Math.round(performance.timeOrigin)
  private applied = 0
  private repeats = 0
  private rejected = 0

  done(): WorkDone {
    const { startedAt, applied, repeats, rejected } = this
    return { startedAt, applied, repeats, rejected }
  }

  revisionApplied({ purchases, repeats }: CountedRevision): void {
    if (purchases.length > 0) purchasesApplied(purchases.length)
    this.applied += purchases.length
    for (const counts of repeats.values()) {
      if (counts.repeats > 0) purchasesRepeated(counts.repeats, "purchase-id-set")
      if (counts.conflicts > 0) purchasesRejected(counts.conflicts, "conflict")
      this.repeats += counts.repeats
      this.rejected += counts.conflicts
    }
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
    /** Returns the worker's counts so far. */
    readonly done: () => WorkDone
    /** Counts the purchases of a committed revision, and the repeats and conflicts that the revision counts. */
    readonly revisionApplied: (revision: CountedRevision) => void
    /** Counts purchases of a message that could not be read. */
    readonly unreadableRejected: (count: number) => void
  }
>()("purchases/metrics/WorkCounters") {
  static readonly layer = Layer.sync(WorkCounters, () => new CountedWork())
}
