import { Schema } from "effect"
import { StoredPurchase } from "../account/Purchase.ts"

/**
 * The states of the replay of a rejected record. `begun`: the purchase to send is settled. `stored`: the purchase to
 * send is in the input log. `applied` and `conflicting` are the final states. `conflicting` means that the id of the
 * sent purchase was used for another purchase.
 */
export const replayStates = ["begun", "stored", "applied", "conflicting"] as const

/**
 * One step in the replay of a rejected record. Each step is one value of the key `replayed.<input sequence>.<index>`.
 * The history of the key has all steps in the replay of the record.
 */
const Replay = Schema.Struct({
  state: Schema.Literals(replayStates),
  /**
   * The purchase that is sent instead of the rejected purchase. The purchase of a replay stays the same in every step,
   * except after a conflict.
   */
  purchase: StoredPurchase,
  /** The sequence of the purchase in the input log; missing in the state `begun`. */
  inputSequence: Schema.optionalKey(Schema.Int),
  /** The id of the caller whose request made the step; missing if the edge asked for no token. */
  by: Schema.optionalKey(Schema.String)
})
export type Replay = typeof Replay.Type

const ReplayRecord = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), ...Replay.fields }))
const encode = Schema.encodeSync(ReplayRecord)

/** Writes a step of a replay as JSON. */
export const encodeReplay = (replay: Replay): string => encode({ version: 1, ...replay })

/** Decodes a step of a replay. Throws a SchemaError if the text is not a step. */
export const decodeReplay: (text: string) => Replay = Schema.decodeUnknownSync(ReplayRecord)

/** Returns the id for a replayed purchase that has no id of its own. */
export const replayedPurchaseId = (inputSequence: number, index: number): string => `replay-${inputSequence}-${index}`
