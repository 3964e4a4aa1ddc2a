import { Schema } from "effect"

/**
 * Failures of the broker. `operation` says what was asked for as a verb, like `read the ledger`, and `reason` why it
 * failed. Both are for people: they hold no subject and no error code of the broker.
 */

/**
 * The broker could not be asked: surely nothing was stored or changed. Asking again later helps. `unserved`: there is
 * a connection, but nobody listens on the subject.
 */
export class BrokerUnavailable extends Schema.TaggedError<BrokerUnavailable>()("BrokerUnavailable", {
  operation: Schema.String,
  reason: Schema.String,
  unserved: Schema.optionalKey(Schema.Boolean)
}) {
  override get message() {
    return `could not ${this.operation}: the broker is not available (${this.reason})`
  }
}

/** The broker was asked and did not answer: it may have done it, or may still do it. */
export class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>()("OutcomeUnknown", {
  operation: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `could not ${this.operation}: the broker did not answer, and the outcome is unknown (${this.reason})`
  }
}

/** The broker answered with an error of its JetStream API. `code` is its `err_code`, for programs. */
export class BrokerRefused extends Schema.TaggedError<BrokerRefused>()("BrokerRefused", {
  operation: Schema.String,
  code: Schema.Number,
  reason: Schema.String
}) {
  override get message() {
    return `could not ${this.operation}: the broker refused (${this.reason})`
  }
}

export type BrokerFailure = BrokerUnavailable | OutcomeUnknown | BrokerRefused
