import { Context, Duration, Effect, Layer, Schema } from "effect"
import { makeUserPage } from "../feed/UserPage.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { CommitStream } from "../nats/CommitStream.ts"
import { JournalTimes } from "../nats/JournalTimes.ts"
import type { BrokerRefused, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { behindCommit, type FeedPlace } from "../protocol/FeedPlace.ts"
import { encodeToken } from "../protocol/Subject.ts"
import type { StoredRule } from "../rules/RuleSet.ts"
import { BackTestBounds, type BackTestEnd, type BackTestRange, BackTestRun, backTestTimeMax } from "./BackTestRun.ts"
import { KeptRuns } from "./KeptRuns.ts"

/** The most back-tests that an edge runs at once. */
export const backTestsMax = 2
/**
 * The time after which a back-test no longer counts towards {@link backTestsMax}, even if its caller has not taken all
 * lines.
 */
const countedMax = Duration.times(backTestTimeMax, 3)

/**
 * Fails a request for a back-test, because this edge runs {@link backTestsMax} back-tests already. Another edge may
 * have room for the back-test.
 */
export class BackTestsBusy extends Schema.TaggedError<BackTestsBusy>()("BackTestsBusy", {}) {
  override get message() {
    return `this edge runs ${backTestsMax} back-tests already`
  }
}

export interface BackTestRequest {
  /** The user who owns the rule. */
  readonly owner: string
  readonly rule: StoredRule
  /** The back-test judges commits that were stored at or after this time, in milliseconds since 1970. */
  readonly from: number
  /**
   * The back-test judges commits that were stored before this time, in milliseconds since 1970. If `to` is `undefined`,
   * the back-test ends with the newest commit.
   */
  readonly to: number | undefined
  /** The place that an earlier request of this back-test has reached; `undefined` for the first request. */
  readonly after: FeedPlace | undefined
}

/**
 * A back-test that runs for one request. The caller has to call `close` once at the end; further calls of `close` do
 * nothing.
 */
export interface OpenBackTest {
  /** Judges the next purchases, and returns their alerts, as {@link BackTestRun} does. */
  readonly next: BackTestRun["next"]
  /** Returns how the request ended. After a call of `end`, `next` must not be used. */
  readonly end: () => BackTestEnd
  readonly close: () => void
}

/** Finds the alerts that a rule would have given for purchases of the past. */
export class BackTest extends Context.Service<
  BackTest,
  {
    /** Begins a back-test. Fails with `BackTestsBusy` if the edge runs {@link backTestsMax} back-tests already. */
    readonly open: (
      request: BackTestRequest
    ) => Effect.Effect<OpenBackTest, BrokerUnavailable | BrokerRefused | BackTestsBusy>
  }
>()("purchases/alerts/BackTest") {
  static readonly layer = Layer.effect(
    BackTest,
    Effect.gen(function* () {
      const chain = yield* CommitChain
      const stream = yield* CommitStream
      const times = yield* JournalTimes
      const pageOfUser = yield* makeUserPage((reading) => reading)
      const bounds = yield* BackTestBounds
      const kept = new KeptRuns()
      let running = 0

      const begin = () => {
        running += 1
        let isOpen = true
        const close = () => {
          clearTimeout(timer)
          if (isOpen) running -= 1
          isOpen = false
        }
        // A caller that takes no lines keeps its connection open, but must not keep other callers from a back-test.
        const timer = setTimeout(close, Duration.toMillis(countedMax))
        return close
      }

      const rangeOf = Effect.fnUntraced(function* ({ owner, rule, from, to, after }: BackTestRequest) {
        const userToken = encodeToken(owner)
        return {
          after: after ?? behindCommit((yield* times.sequenceSince(from)) - 1),
          end: to === undefined ? (yield* stream.lastSequence) + 1 : yield* times.sequenceSince(to),
          pageAfter: (place: FeedPlace) =>
            rule.rule.who === "self" ? pageOfUser(place, userToken) : stream.page(place)
        }
      })

      const opened = (
        { owner, rule, after }: BackTestRequest,
        range: BackTestRange,
        close: () => void
      ): OpenBackTest => {
        const before = after && kept.take({ owner, rule, place: after })
        before?.goOn(range)
        const run = before ?? new BackTestRun({ chain, owner, rule, range, bounds })
        const end = () => {
          const reached = run.end
          if (reached.next !== undefined) kept.keep({ owner, rule, place: reached.next }, run)
          return reached
        }
        return { next: run.next, end, close }
      }

      const open: BackTest["Service"]["open"] = (request) =>
        Effect.suspend((): ReturnType<BackTest["Service"]["open"]> => {
          if (running >= backTestsMax) return Effect.fail(new BackTestsBusy())
          const close = begin()
          return rangeOf(request).pipe(
            Effect.map((range) => opened(request, range, close)),
            Effect.onError(() => Effect.sync(close))
          )
        })

      return BackTest.of({ open })
    })
  )
}
