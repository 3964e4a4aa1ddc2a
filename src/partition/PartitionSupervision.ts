import { Clock, Duration, Effect } from "effect"

/**
 * The first wait between two epochs of a partition. The first wait is short, because most causes of the end of an epoch
 * pass quickly. The wait doubles after each further epoch, up to `retryWaitMax`.
 */
const retryWait = Duration.millis(50)
const retryWaitMax = Duration.seconds(2)
/**
 * The longest wait between two epochs after a failure of the broker. The wait after a failure of the broker is short
 * because readers wait until the broker has a new leader and an epoch begins.
 */
const brokerRetryWait = Duration.millis(200)
/** The time of life above which an epoch counts as good. After a good epoch, the next wait is {@link retryWait}. */
const epochGood = Duration.seconds(5)
/**
 * The time without a good epoch after which a partition needs an operator. The time `helplessAfter` is longer than an
 * election of the broker.
 */
const helplessAfter = Duration.seconds(30)

/** The tags of failures that end as soon as the broker has a leader. */
const brokerFailed: ReadonlySet<string> = new Set(["BrokerUnavailable", "OutcomeUnknown"])

/** The reason why an epoch ended, and the longest wait before the next epoch. */
interface EpochEnd {
  readonly reason: string
  /** The longest wait before the next epoch. */
  readonly waitMax: Duration.Duration
}

/** The next step of the supervision after the end of an epoch. */
interface NextStep {
  readonly wait: Duration.Duration
  /** Whether to log the reason of the end. A repeated reason is logged only once. */
  readonly isReasonNew: boolean
  /**
   * Whether to log a request for help to an operator. The request is logged once, and a second time only after a good
   * epoch.
   */
  readonly isHelpNeeded: boolean
}

/**
 * Remembers how the epochs of a partition ended, and decides the next step of the supervision. Times are milliseconds
 * of one clock.
 */
class EpochEnds {
  private wait = retryWait
  private reason = ""
  private failingSince: number | undefined
  private isHelpAsked = false

  next({ reason, waitMax }: EpochEnd, began: number, ended: number): NextStep {
    const wasGood = ended - began > Duration.toMillis(epochGood)
    if (wasGood) this.wait = retryWait
    const isReasonNew = wasGood || reason !== this.reason
    this.reason = reason
    this.failingSince = wasGood ? undefined : (this.failingSince ?? began)
    const isHelpless = this.failingSince !== undefined && began - this.failingSince > Duration.toMillis(helplessAfter)
    const isHelpNeeded = isHelpless && !this.isHelpAsked
    this.isHelpAsked = isHelpless
    const wait = Duration.min(this.wait, waitMax)
    this.wait = Duration.min(Duration.times(this.wait, 2), retryWaitMax)
    return { wait, isReasonNew, isHelpNeeded }
  }
}

/**
 * Runs an epoch to its end, and returns how the epoch ended. A defect, which is an unexpected exception, ends the epoch
 * as a failure does. So the next epoch of the partition can begin.
 */
const endOf = <E extends { readonly _tag: string; readonly message: string }, R>(
  epoch: Effect.Effect<string, E, R>
): Effect.Effect<EpochEnd, never, R> =>
  epoch.pipe(
    Effect.map((reason): EpochEnd => ({ reason, waitMax: retryWaitMax })),
    Effect.catch((failure) =>
      Effect.succeed({
        reason: failure.message,
        waitMax: brokerFailed.has(failure._tag) ? brokerRetryWait : retryWaitMax
      })
    ),
    Effect.catchDefect((defect) => Effect.succeed({ reason: `defect: ${String(defect)}`, waitMax: retryWaitMax }))
  )

/** The part of the work that a supervision runs: a partition of a worker, or a shard of a judge. */
export interface SupervisedPart {
  readonly kind: "partition" | "shard"
  readonly number: number
}

/**
 * Runs the epochs of a partition or the runs of a shard, one after another, until the fiber is interrupted. When
 * `isDraining` returns `true`, no further epoch or run begins.
 */
export const supervise = <E extends { readonly _tag: string; readonly message: string }, R>(
  { kind, number }: SupervisedPart,
  epoch: Effect.Effect<string, E, R>,
  isDraining: () => boolean
): Effect.Effect<never, never, R> =>
  Effect.suspend(() => {
    const ends = new EpochEnds()
    return Effect.gen(function* () {
      const began = yield* Clock.currentTimeMillis
      const end = yield* endOf(epoch)
      if (isDraining()) return yield* Effect.never
      const { wait, isReasonNew, isHelpNeeded } = ends.next(end, began, yield* Clock.currentTimeMillis)
      const { reason } = end
      if (isReasonNew) yield* Effect.logWarning(`lost a ${kind}`).pipe(Effect.annotateLogs({ reason }))
      if (isHelpNeeded) {
        yield* Effect.logError(`could not run a ${kind} for 30 seconds`).pipe(
          Effect.annotateLogs({ reason, wayOut: "if it stays so, restart the broker that leads the journal" })
        )
      }
      yield* Effect.sleep(wait)
    }).pipe(Effect.forever, Effect.annotateLogs({ [kind]: number }))
  })

/** Supervises the epochs of a partition. */
export const superviseEpochs = <E extends { readonly _tag: string; readonly message: string }, R>(
  partition: number,
  epoch: Effect.Effect<string, E, R>,
  isDraining: () => boolean
): Effect.Effect<never, never, R> => supervise({ kind: "partition", number: partition }, epoch, isDraining)
