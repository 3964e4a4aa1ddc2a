import { Context, Duration, Effect, Layer, Result, Schema } from "effect"
import { AlertLog } from "../nats/AlertLog.ts"
import { AlertStream } from "../nats/AlertStream.ts"
import { CommitStream } from "../nats/CommitStream.ts"
import { reading } from "../nats/FollowedStream.ts"
import type { BrokerRefused, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { encodeToken } from "../protocol/Subject.ts"
import { type Alert, decodeAlerts } from "../rules/Alert.ts"

/** The most alerts on one page. */
export const alertsLimitMax = 100
/**
 * The number of reads after which a page of alerts ends early. Alerts of one user that are far apart in the stream take
 * many reads to find.
 */
const pageReadsMax = 1_000
/** The longest time that a reader waits until the judges have reached a sequence of the journal. */
export const throughWaitMax = Duration.seconds(5)
/** The time for which all waiting readers use the positions of the shards from one read. */
const positionsGood = Duration.millis(50)

/** An alert, with the time at which it was stored. */
export interface StoredAlert {
  readonly alert: Alert
  /** The time at which the broker stored the alert, in milliseconds since 1970. */
  readonly storedAt: number
}

/**
 * The start of a page of alerts. Newer pages have `taken` alerts of the message at `sequence`, and the alerts of all
 * newer messages.
 */
export interface AlertCursor {
  readonly sequence: number
  readonly taken: number
}

export interface AlertPage {
  /** The alerts on the page, newest first. */
  readonly alerts: ReadonlyArray<StoredAlert>
  /** The cursor at which the next page starts; missing on the last page. */
  readonly next?: AlertCursor
}

/** Fails the wait of a reader: the judges did not reach a sequence of the journal in time. */
export class NotJudged extends Schema.TaggedError<NotJudged>()("NotJudged", {
  through: Schema.Number,
  completeThrough: Schema.Number
}) {
  override get message() {
    return `purchases are judged up to the sequence ${this.completeThrough}, and not up to ${this.through}`
  }
}

type ReadFailure = BrokerUnavailable | BrokerRefused

/**
 * Returns the alerts of a message, newest first. Returns an empty list for a message that cannot be read, because
 * somebody wrote it by hand.
 */
const alertsIn = (text: string): ReadonlyArray<Alert> =>
  Result.getOrElse(
    Result.try(() => decodeAlerts(text).toReversed()),
    () => []
  )

/**
 * Makes the effect that returns the sequence of the journal up to which all purchases are judged. A shard without a
 * position has nothing to judge before the first rule that any user made.
 */
const makeCompleteThrough = Effect.gen(function* () {
  const log = yield* AlertLog
  const { shards, position } = yield* AlertStream
  const { lastSequence } = yield* CommitStream
  const beforeFirstRule = Effect.flatMap(log.firstRule, (first) =>
    first === undefined ? lastSequence : Effect.succeed(first - 1)
  )
  const judgedBy = (shard: number) =>
    position(shard).pipe(
      reading("read the positions of the judges"),
      Effect.flatMap((found) => (found === undefined ? beforeFirstRule : Effect.succeed(found.position.through)))
    )
  const all = Effect.forEach(
    Array.from({ length: shards }, (_, shard) => shard),
    judgedBy
  )
  return Effect.map(all, (sequences) => Math.min(...sequences))
})

/** Reads the alerts of users in pages. */
export class AlertPages extends Context.Service<
  AlertPages,
  {
    /**
     * Returns the sequence of the journal up to which all alerts can be read. Waits until the returned sequence is
     * `through` or higher, and fails with `NotJudged` after {@link throughWaitMax}.
     */
    readonly completeThrough: (through?: number) => Effect.Effect<number, ReadFailure | NotJudged>
    /**
     * Returns the page of a user's alerts that begins at a cursor; the newest page without a cursor. A page has at most
     * `limit` alerts.
     */
    readonly page: (userId: string, limit: number, cursor?: AlertCursor) => Effect.Effect<AlertPage, ReadFailure>
  }
>()("purchases/alerts/AlertPages") {
  static readonly layer = Layer.effect(
    AlertPages,
    Effect.gen(function* () {
      const log = yield* AlertLog
      const now = yield* Effect.cachedWithTTL(yield* makeCompleteThrough, positionsGood)

      const completeThrough = Effect.fnUntraced(function* (through = 0) {
        const until = performance.now() + Duration.toMillis(throughWaitMax)
        while (true) {
          const complete = yield* now
          if (complete >= through) return complete
          if (performance.now() >= until) return yield* new NotJudged({ through, completeThrough: complete })
          yield* Effect.sleep(positionsGood)
        }
      })

      const page = Effect.fnUntraced(function* (userId: string, limit: number, cursor?: AlertCursor) {
        const alerts: Array<StoredAlert> = []
        let reached: AlertCursor | undefined
        let hasRest = false
        const below = cursor === undefined ? undefined : cursor.sequence + 1
        const oldest = yield* log.newestFirst(encodeToken(userId), below, ({ place, storedAt, text, reads }) => {
          const skip = place.sequence === cursor?.sequence ? cursor.taken : 0
          const rest = alertsIn(text).slice(skip)
          const shown = rest.slice(0, limit - alerts.length)
          alerts.push(...shown.map((alert) => ({ alert, storedAt })))
          reached = { sequence: place.sequence, taken: skip + shown.length }
          hasRest = shown.length < rest.length
          const isEnough = alerts.length === limit || (reads >= pageReadsMax && alerts.length > 0)
          return isEnough ? "enough" : "more"
        })
        const isLast = reached === undefined || (reached.sequence === oldest && !hasRest)
        return reached === undefined || isLast ? { alerts } : { alerts, next: reached }
      })

      return AlertPages.of({ completeThrough, page })
    })
  )
}
