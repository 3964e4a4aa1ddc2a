import { Effect, Schema } from "effect"
import type { BrokerFailure, BrokerRefused } from "../../protocol/BrokerError.ts"
import type { BrokerConnection } from "./Connection.ts"
import { apiCode, storeMessage } from "./JetStreamApi.ts"
import { writtenHeaders } from "./WrittenHeaders.ts"

/** The time that the broker has to store a message. After that its outcome counts as unknown. */
const appendTimeoutMilliseconds = 5_000

/** Another message than the expected one is the newest of its subject. Nothing was stored. */
export class CommitConflict extends Schema.TaggedError<CommitConflict>()("CommitConflict", {
  reason: Schema.String
}) {
  override get message() {
    return `the commit lost a compare-and-set (${this.reason})`
  }
}

/** The error codes of a lost compare-and-set. Another message came first: that message is stored, or in flight. */
const lostCompareAndSet: ReadonlySet<number> = new Set([apiCode.wrongLastSequence, apiCode.wrongLastSequenceInFlight])

/** Turns the refusal of a lost compare-and-set into `CommitConflict`. Other failures stay. */
export const withConflict = <A>(
  stored: Effect.Effect<A, BrokerFailure>
): Effect.Effect<A, BrokerFailure | CommitConflict> =>
  Effect.catchTag(stored, "BrokerRefused", (refused): Effect.Effect<never, BrokerRefused | CommitConflict> =>
    Effect.fail(lostCompareAndSet.has(refused.code) ? new CommitConflict({ reason: refused.reason }) : refused)
  )

export interface Append {
  /** Names the append in errors, as a verb. */
  readonly operation: string
  readonly subject: string
  readonly payload: string | Uint8Array
  /**
   * The expected sequence of the subject's newest message, 0 for none. If this is missing, the append has no condition.
   */
  readonly after?: number
  /** Whether the message replaces all earlier messages of its subject. The stream has to allow it. */
  readonly replaces?: boolean
  /** The whole seconds after which the broker drops the message; missing for a message that stays. */
  readonly secondsToLive?: number
}

const headersOf = ({ after, replaces, secondsToLive }: Append): string =>
  (after === undefined ? "" : `Nats-Expected-Last-Subject-Sequence: ${after}\r\n`) +
  (replaces === true ? "Nats-Rollup: sub\r\n" : "") +
  (secondsToLive === undefined ? "" : `Nats-TTL: ${secondsToLive}s\r\n`)

/**
 * Appends a message to a subject, and returns its sequence when the message is durable. Fails with `CommitConflict` if
 * another message is the newest of the subject. After `OutcomeUnknown` the message may be stored, or may be stored
 * later.
 */
export const appendMessage = (
  connection: Pick<BrokerConnection, "request">,
  append: Append
): Effect.Effect<number, BrokerFailure | CommitConflict> => {
  const { operation, subject, payload } = append
  const fields = headersOf(append)
  return storeMessage(connection, {
    operation,
    subject,
    payload,
    timeoutMilliseconds: appendTimeoutMilliseconds,
    ...(fields === "" ? {} : { headers: writtenHeaders(fields) })
  }).pipe(
    Effect.map(({ seq }) => seq),
    withConflict
  )
}
