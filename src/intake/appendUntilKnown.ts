import { Clock, Duration, Effect, Exit } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { Stored } from "../nats/InputLog.ts"
import { failureOf } from "../runtime/ExitFailure.ts"

/**
 * How long an edge repeats attempts to store a message while the brokers elect a leader. The time `electionWait` is
 * longer than an election.
 */
const electionWait = Duration.seconds(10)
/** How long an edge without a connection repeats attempts to store a message that may be stored already. */
const unknownWait = Duration.seconds(5)
/** How long an edge without a connection to the broker waits before it fails messages. */
const disconnectedWait = Duration.seconds(1)
/** The wait between two attempts to store a message. */
const retryWait = Duration.millis(50)

const isDisconnected = (failure: BrokerFailure): boolean =>
  failure._tag === "BrokerUnavailable" && failure.unserved !== true

/**
 * Returns whether an edge gives up storing a message after a failure. `isUnknown` is true if an attempt may have stored
 * the message.
 */
const isFinal = (failure: BrokerFailure, isUnknown: boolean, waited: Duration.Duration): boolean => {
  if (failure._tag === "BrokerRefused") return true
  const goneWait = isUnknown ? unknownWait : disconnectedWait
  return Duration.isGreaterThanOrEqualTo(waited, isDisconnected(failure) ? goneWait : electionWait)
}

/**
 * Appends a message to the input log. Sends the message again with the same id until the broker stores or refuses the
 * message, or the wait is over. If any attempt had an unknown outcome, the final failure is `OutcomeUnknown`. Once
 * {@link disconnectedWait} is over, calls `disconnected` after each attempt that fails for lack of a connection.
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
