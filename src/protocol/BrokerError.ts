import { Schema } from "effect"

/**
 * Failures of the broker. The type of a failure tells the caller whether the broker may have carried out the request.
 * `operation` is the request as a verb phrase, like `read the ledger`. `reason` says why the request failed. Logs have
 * the `message` of a failure. Callers of the edge see the result of {@link plainMessageOf}, which holds no words of the
 * broker.
 */

/**
 * The broker could not be asked, so surely nothing was stored or changed, and a later attempt may succeed. `unserved`
 * is true if there is a connection, but no process listens on the subject.
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

/** The broker was asked and did not answer. The broker may have carried out the request, or may still do so. */
export class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>()("OutcomeUnknown", {
  operation: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `could not ${this.operation}: the broker did not answer, and the outcome is unknown (${this.reason})`
  }
}

/**
 * The broker answered with an error of its JetStream API. `code` is the `err_code` of the API's error, for programs.
 * `reason` has the broker's own words. `plain` has the words of this service; it is missing for an error that this
 * service does not know.
 */
export class BrokerRefused extends Schema.TaggedError<BrokerRefused>()("BrokerRefused", {
  operation: Schema.String,
  code: Schema.Number,
  reason: Schema.String,
  plain: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    return `could not ${this.operation}: the broker refused (${this.plain ?? this.reason})`
  }
}

/** Returns the message of a failure for callers, without words of the broker. */
export const plainMessageOf = (failure: { readonly message: string }): string =>
  failure instanceof BrokerRefused && failure.plain === undefined
    ? `could not ${failure.operation}: the broker refused`
    : failure.message

export type BrokerFailure = BrokerUnavailable | OutcomeUnknown | BrokerRefused
