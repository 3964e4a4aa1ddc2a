import { Clock, Duration, Effect } from "effect"
import { AlertRetention } from "../nats/AlertRetention.ts"

export interface AlertJanitorSettings {
  /** The wait between two removals of old alerts. */
  readonly every: Duration.Duration
  /** The time for which alerts are kept. */
  readonly retention: Duration.Duration
}

/** Removes the alerts that are older than the retention, and the old positions of all shards. */
export const cleanAlerts = Effect.fnUntraced(function* ({ retention }: AlertJanitorSettings) {
  const { removeAlertsBefore, removeOldPositions } = yield* AlertRetention
  const now = yield* Clock.currentTimeMillis
  yield* removeAlertsBefore(now - Duration.toMillis(retention))
  yield* removeOldPositions
})

/** Removes old alerts and old positions again and again, while `isMine` returns `true`. Logs a failure, and goes on. */
export const alertJanitor = (settings: AlertJanitorSettings, isMine: () => boolean) =>
  Effect.suspend(() => (isMine() ? cleanAlerts(settings) : Effect.void)).pipe(
    Effect.catch((failure) => Effect.logWarning("could not remove old alerts", failure.message)),
    Effect.delay(settings.every),
    Effect.forever
  )
