import { Clock, Duration, Effect } from "effect"
import { readPosition } from "../ledger/Takeover.ts"
import { firstStoredSince } from "../nats/FirstStoredSince.ts"
import { InputLog } from "../nats/InputLog.ts"
import { Topology } from "../nats/Topology.ts"

export interface JanitorSettings {
  /** The wait between two cleanings. */
  readonly every: Duration.Duration
  /** The time for which applied input is kept. */
  readonly retention: Duration.Duration
}

/**
 * Returns the first input sequence that a partition may still need. A partition that has applied all of its input needs
 * no message up to the end of the input log. A partition that has not applied all of its input needs the messages after
 * its position. The end of the input log is read first, because the log may grow during the other reads.
 */
const firstNeeded = Effect.gen(function* () {
  const input = yield* InputLog
  const { partitions } = yield* Topology
  const { last } = yield* input.bounds
  let lowest = last
  for (let partition = 0; partition < partitions; partition += 1) {
    const newest = yield* input.lastSequence(partition)
    const position = yield* readPosition(partition)
    if (newest > position) lowest = Math.min(lowest, position)
  }
  return lowest + 1
})

/** Removes applied messages of the input log that are older than `retention`. */
export const cleanOnce = Effect.fnUntraced(function* (settings: JanitorSettings) {
  const input = yield* InputLog
  const now = yield* Clock.currentTimeMillis
  const needed = yield* firstNeeded
  const { first } = yield* input.bounds
  const below = yield* firstStoredSince(input.messageFrom, first, needed, now - Duration.toMillis(settings.retention))
  if (below > first) {
    yield* input.purgeBelow(below)
    yield* Effect.logDebug("purged applied input").pipe(Effect.annotateLogs({ below, purged: below - first }))
  }
})

/** Cleans the input log at regular times, whenever `isMine` returns `true`. Logs a cleaning that fails. */
export const janitor = (settings: JanitorSettings, isMine: () => boolean) =>
  Effect.suspend(() => (isMine() ? cleanOnce(settings) : Effect.void)).pipe(
    Effect.catch((failure) => Effect.logWarning("could not clean up", failure.message)),
    Effect.delay(settings.every),
    Effect.forever
  )
