import { Effect, Schema } from "effect"
import type { BrokerFailure, BrokerRefused } from "../../protocol/BrokerError.ts"
import type { BrokerConnection } from "./Connection.ts"
import { apiCode, storeMessage } from "./JetStreamApi.ts"
import { writtenHeaders } from "./WrittenHeaders.ts"

/**
 * The time within which the broker must acknowledge a message. After this time the outcome of the append counts as
 * unknown.
 */
const appendTimeoutMilliseconds = 5_000

/**
 * The failure of an append that the broker refused, because the newest message of the subject is not the expected
 * message. A refused append stores nothing.
 */
export class CommitConflict extends Schema.TaggedError<CommitConflict>()("CommitConflict", {
  reason: Schema.String
}) {
  override get message() {
    return `the commit lost a compare-and-set (${this.reason})`
  }
}

/** The broker's error codes for a lost compare-and-set: another message came first, and is stored or in flight. */
const lostCompareAndSet: ReadonlySet<number> = new Set([apiCode.wrongLastSequence, apiCode.wrongLastSequenceInFlight])

/**
 * Turns the broker's refusal for a lost compare-and-set into `CommitConflict`. Does not change failures with another
 * error code.
 */
export const withConflict = <A>(
  stored: Effect.Effect<A, BrokerFailure>
): Effect.Effect<A, BrokerFailure | CommitConflict> =>
  Effect.catchTag(stored, "BrokerRefused", (refused): Effect.Effect<never, BrokerRefused | CommitConflict> =>
    Effect.fail(lostCompareAndSet.has(refused.code) ? new CommitConflict({ reason: refused.reason }) : refused)
  )

export interface Append {
  /** The name of the append in the messages of errors; the name begins with a verb. */
  readonly operation: string
  readonly subject: string
  readonly payload: string | Uint8Array
  /**
   * The condition of the append: the sequence of the subject's newest message; 0 if the subject must have no message.
   * If `after` is missing, the append has no condition.
   */
  readonly after?: number
  /**
   * Whether the message replaces all earlier messages of its subject. The stream has to allow messages that replace all
   * earlier messages of their subject.
   */
  readonly replaces?: boolean
  /** The number of seconds after which the broker drops the message; missing for a message that the broker keeps. */
  readonly secondsToLive?: number
}

const headersOf = ({ after, replaces, secondsToLive }: Append): string =>
  (after === undefined ? "" : `Nats-Expected-Last-Subject-Sequence: ${after}\r\n`) +
  (replaces === true ? "Nats-Rollup: sub\r\n" : "") +
  (secondsToLive === undefined ? "" : `Nats-TTL: ${secondsToLive}s\r\n`)

/**
 * Appends a message to a subject, and returns its sequence when the message is durable. Fails with `CommitConflict` if
 * the condition `after` does not hold. After `OutcomeUnknown` the message may be stored, may be stored later, or may
 * never be stored.
 */
export const appendMessage = (
  connection: Pick<BrokerConnection, "request" | "noteStored">,
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
