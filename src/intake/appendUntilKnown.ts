import { Clock, Duration, Effect, Exit } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { Stored } from "../nats/InputLog.ts"
import { failureOf } from "../runtime/ExitFailure.ts"

/** How long a message is sent again, with the same id, while a leader is elected. An election takes up to 9 s. */
const electionWait = Duration.seconds(10)
/** How long a message whose outcome is unknown is sent again when the broker is gone after it. */
const unknownWait = Duration.seconds(5)
/** How long an edge without a broker waits for one before it says so. */
const disconnectedWait = Duration.seconds(1)
/** How long it waits between two attempts. */
const retryWait = Duration.millis(50)

const isDisconnected = (failure: BrokerFailure): boolean =>
  failure._tag === "BrokerUnavailable" && failure.unserved !== true

/** Returns whether a failure is the last one. `isUnknown`: this attempt or one before may have stored the message. */
const isFinal = (failure: BrokerFailure, isUnknown: boolean, waited: Duration.Duration): boolean => {
  if (failure._tag === "BrokerRefused") return true
  const goneWait = isUnknown ? unknownWait : disconnectedWait
  return Duration.isGreaterThanOrEqualTo(waited, isDisconnected(failure) ? goneWait : electionWait)
}

/**
 * Appends a message, and sends it again until the broker has stored or refused it, or patience ends. A message that may
 * be on its way makes every later failure an unknown outcome. Calls `disconnected` after each attempt that fails without
 * a broker once {@link disconnectedWait} is over.
 */
export const appendUntilKnown = Effect.fnUntraced(function* (
  append: Effect.Effect<Stored, BrokerFailure>,
  disconnected: (failure: BrokerFailure) => void
): Effect.fn.Return<Stored, BrokerFailure> {
  const clock = yield* Clock.Clock
  const started = clock.currentTimeMillisUnsafe()
  let unknown: BrokerFailure | undefined
  while (true) {
    const exit = yield* Effect.exit(append)
    if (Exit.isSuccess(exit)) return exit.value
    const failure = failureOf(exit)
    if (failure === undefined) return yield* Effect.failCause(exit.cause)
    if (failure._tag === "OutcomeUnknown") unknown = failure
    const waited = Duration.millis(clock.currentTimeMillisUnsafe() - started)
    if (isDisconnected(failure) && Duration.isGreaterThanOrEqualTo(waited, disconnectedWait)) disconnected(failure)
    if (isFinal(failure, unknown !== undefined, waited)) return yield* Effect.fail(unknown ?? failure)
    yield* Effect.sleep(retryWait)
  }
})
