import { type Exit, Schema } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { Stored } from "../nats/InputLog.ts"

/**
 * The most purchases that wait at an edge to be stored. An edge with {@link purchasesWaitingMax} waiting purchases
 * refuses further purchases.
 */
export const purchasesWaitingMax = 20_000

/**
 * The failure of an edge at which the most purchases wait. No purchase of the call was stored, and the caller may send
 * the purchases again in a moment.
 */
export class EdgeOverloaded extends Schema.TaggedError<EdgeOverloaded>()("EdgeOverloaded", {}) {
  override get message() {
    return `${purchasesWaitingMax} purchases wait to be stored already`
  }
}

/** The reasons why a purchase has no input sequence. */
export type PublishFailure = BrokerFailure | EdgeOverloaded

/** The input sequence of a stored purchase, with its index in the message. */
export interface Published extends Stored {
  /** The index of the purchase in its message. */
  readonly index: number
}

/** The result of one purchase: its input sequence and index, or a failure. */
export type PublishResult = Exit.Exit<Published, PublishFailure>
