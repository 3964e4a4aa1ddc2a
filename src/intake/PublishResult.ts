import { type Exit, Schema } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { Stored } from "../nats/InputLog.ts"

/** The most purchases that wait at an edge to be stored. Above it a purchase is refused. */
export const purchasesWaitingMax = 20_000

/** The edge holds as many purchases as it may. Nothing was stored; the caller may send it again in a moment. */
export class EdgeOverloaded extends Schema.TaggedError<EdgeOverloaded>()("EdgeOverloaded", {}) {
  override get message() {
    return `${purchasesWaitingMax} purchases wait to be stored already`
  }
}

export type PublishFailure = BrokerFailure | EdgeOverloaded

/** The input sequence of a stored purchase, with its index in the message. */
export interface Published extends Stored {
  /** The index of the purchase in its message. */
  readonly index: number
}

export type PublishResult = Exit.Exit<Published, PublishFailure>
