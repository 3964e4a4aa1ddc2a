import { Context, Duration, Effect, Result } from "effect"
import { purchasesAmong } from "../account/Entry.ts"
import type { NotCurrent } from "../asking/QueryClient.ts"
import type { CommitChain } from "../nats/CommitChain.ts"
import { type FeedMessage } from "../nats/FollowedStream.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { behindCommit, type FeedPlace } from "../protocol/FeedPlace.ts"
import { decodeRevision } from "../protocol/RevisionCodec.ts"
import { decodeToken } from "../protocol/Subject.ts"
import type { Alert } from "../rules/Alert.ts"
import { Judgement, type PlacedRevision } from "../rules/Judgement.ts"
import { encodeRuleSet, type StoredRule } from "../rules/RuleSet.ts"
import { type WindowBounds, windowBounds } from "../rules/WindowWalk.ts"
import { BackTestWindows, type WindowTooLong } from "./BackTestWindows.ts"

/**
 * The number of revisions, and the time, after which a request of a back-test ends. The next request of the back-test
 * continues where the request ended.
 */
export const backTestRevisionsMax = 20_000
export const backTestTimeMax = Duration.seconds(10)
/** The bounds of one request of a back-test. Tests replace the bounds of a request. */
export const BackTestBounds = Context.Reference<{
  readonly revisionsMax: number
  readonly timeMax: Duration.Duration
  readonly windows: WindowBounds
}>("purchases/alerts/BackTestBounds", {
  defaultValue: () => ({ revisionsMax: backTestRevisionsMax, timeMax: backTestTimeMax, windows: windowBounds })
})
/**
 * A back-test judges revisions in parts of at most this many. The windows of a part are read at once, and a request
 * ends only between two parts.
 */
const partRevisionsMax = 32

/** The revisions that a back-test judges. */
export interface BackTestRange {
  /** The place before the first revision of the range. */
  readonly after: FeedPlace
  /** All revisions of the range have sequences of the journal below `end`. */
  readonly end: number
  /** Returns the next revisions after a place; an empty list at the end of the ledger. */
  readonly pageAfter: (after: FeedPlace) => Effect.Effect<ReadonlyArray<FeedMessage>, BrokerFailure | NotCurrent>
}

export type BackTestFailure = BrokerFailure | NotCurrent | WindowTooLong

/** How a request of a back-test ended. */
export interface BackTestEnd {
  readonly matches: number
  /** The number of purchases that the request has judged. */
  readonly purchases: number
  /** The place behind which the next request continues; missing if all purchases of the range are judged. */
  readonly next?: FeedPlace
}

/**
 * Decodes a revision of the journal. Returns `undefined` for a line that cannot be read, because somebody wrote it by
 * hand.
 */
const placedOf = ({ userToken, place, text }: FeedMessage): PlacedRevision | undefined =>
  Result.getOrElse(
    Result.try(() => ({ ...place, userId: decodeToken(userToken), revision: decodeRevision(text) })),
    () => undefined
  )

/**
 * Makes the {@link Judgement} that judges by a single rule, as if the rule had been switched on before all purchases.
 */
const judgementOf = (owner: string, stored: StoredRule): Judgement => {
  const judgement = new Judgement()
  const rule = { ...stored.rule, enabled: true }
  judgement.changeRules(owner, 0, encodeRuleSet({ changes: 1, rules: [{ ...stored, rule }] }))
  return judgement
}

/** The rule that a back-test judges by, and the range of revisions that it judges. */
export interface BackTestTask {
  readonly chain: Pick<(typeof CommitChain)["Service"], "at">
  /** The user who owns the rule. */
  readonly owner: string
  readonly rule: StoredRule
  readonly range: BackTestRange
  readonly bounds: (typeof BackTestBounds)["Service"]
}

/** Judges the revisions of a range by one rule, with the same fold as a judge, and stores nothing. */
export class BackTestRun {
  private readonly windows: BackTestWindows
  private range: BackTestRange
  private readonly bounds: BackTestTask["bounds"]
  private endsAt: number
  private reached: FeedPlace
  private page: ReadonlyArray<FeedMessage> = []
  private matches = 0
  private purchases = 0
  private revisions = 0
  private isComplete = false

  constructor({ chain, owner, rule, range, bounds }: BackTestTask) {
    this.windows = new BackTestWindows(chain, judgementOf(owner, rule), bounds.windows)
    this.range = range
    this.bounds = bounds
    this.endsAt = performance.now() + Duration.toMillis(bounds.timeMax)
    this.reached = range.after
  }

  /**
   * Begins the next request at the place that this run has reached. The window states stay in memory, so that the
   * request need not load them again. `range` may end later than the range that this run had before.
   */
  goOn(range: BackTestRange): void {
    this.range = range
    this.endsAt = performance.now() + Duration.toMillis(this.bounds.timeMax)
    this.windows.revisionsRead = 0
    this.page = []
    this.matches = 0
    this.purchases = 0
    this.revisions = 0
    this.isComplete = false
  }

  /** How the request of the back-test ends if it ends now. */
  get end(): BackTestEnd {
    const { matches, purchases } = this
    return this.isComplete ? { matches, purchases } : { matches, purchases, next: this.reached }
  }

  /**
   * Judges the next revisions, and returns their alerts. Returns `undefined` at the end of the range or of the request.
   * The first call judges some revisions even if the request's time is over, so that each request makes progress.
   */
  readonly next: Effect.Effect<ReadonlyArray<Alert> | undefined, BackTestFailure> = Effect.gen(
    { self: this },
    function* () {
      const room = this.bounds.revisionsMax - this.revisions - this.windows.revisionsRead
      if (this.isComplete || room <= 0 || (this.revisions > 0 && performance.now() >= this.endsAt)) return undefined
      if (this.page.length === 0) this.page = yield* this.range.pageAfter(this.reached)
      const part = this.page
        .slice(0, Math.min(partRevisionsMax, room))
        .filter(({ place }) => place.sequence < this.range.end)
      if (part.length === 0) {
        this.isComplete = true
        return undefined
      }
      return yield* this.judge(part)
    }
  )

  private judge(part: ReadonlyArray<FeedMessage>): Effect.Effect<ReadonlyArray<Alert>, BackTestFailure> {
    return Effect.gen({ self: this }, function* () {
      const placed = part.map(placedOf).filter((one) => one !== undefined)
      const firsts = new Map(placed.toReversed().map((one) => [one.userId, one]))
      yield* Effect.forEach(firsts.values(), (first) => this.windows.ready(first), {
        concurrency: "unbounded",
        discard: true
      })
      const alerts: Array<Alert> = []
      for (const one of placed) {
        alerts.push(...(yield* this.windows.judge(one)))
        this.purchases += purchasesAmong(one.revision.purchases)
      }
      this.windows.forget()
      this.takeNote(part, alerts.length)
      return alerts
    })
  }

  private takeNote(part: ReadonlyArray<FeedMessage>, matches: number): void {
    const last = part.at(-1)
    this.page = this.page.slice(part.length)
    this.revisions += part.length
    this.matches += matches
    // A page of revisions ends with a whole commit. A place at the last line of a commit would make the next request
    // read the commit again.
    if (last !== undefined) this.reached = this.page.length === 0 ? behindCommit(last.place.sequence) : last.place
  }
}
