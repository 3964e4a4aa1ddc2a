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
/** The time after which a back-test does not count any more, even if its caller takes no lines. */
const countedMax = Duration.times(backTestTimeMax, 3)

/** This edge runs as many back-tests as it may. Another edge may have room. */
export class BackTestsBusy extends Schema.TaggedError<BackTestsBusy>()("BackTestsBusy", {}) {
  override get message() {
    return `this edge runs ${backTestsMax} back-tests already`
  }
}

export interface BackTestRequest {
  /** The user whose rule it is. */
  readonly owner: string
  readonly rule: StoredRule
  /** The rule judges commits that were stored at `from` or later, and before `to`, in milliseconds since 1970. */
  readonly from: number
  /** Without `to` the range ends with the newest commit. */
  readonly to: number | undefined
  /** The place that an earlier request has reached. */
  readonly after: FeedPlace | undefined
}

/** A back-test that runs. `close` has to be called at its end; further calls do nothing. */
export interface OpenBackTest {
  /** Judges the next purchases, as {@link BackTestRun} does. */
  readonly next: BackTestRun["next"]
  /** Returns the end of the request. After that, `next` must not be used. */
  readonly end: () => BackTestEnd
  readonly close: () => void
}

/** Says how often a rule would have been met by purchases of the past. */
export class BackTest extends Context.Service<
  BackTest,
  {
    /** Begins a back-test. Fails with `BackTestsBusy` if the edge runs {@link backTestsMax} already. */
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
        // A caller that takes no lines holds its connection, and must not hold the place of others.
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
