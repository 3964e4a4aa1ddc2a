import { Schema } from "effect"
import { StoredPurchase } from "../account/Purchase.ts"

/**
 * How far the replay of a rejected record has come. `begun`: it is settled what will be sent. `stored`: it is in the
 * input log. `applied` and `conflicting` (its id was used for another purchase) are how it came out.
 */
export const replayStates = ["begun", "stored", "applied", "conflicting"] as const

/** One step of a replay: one value of `replayed.<input sequence>.<index>`, which has one history for each record. */
const Replay = Schema.Struct({
  state: Schema.Literals(replayStates),
  /** What is sent instead of what was rejected; the same in every step, but after one that conflicts. */
  purchase: StoredPurchase,
  /** Where the input log has it, from `stored` on. */
  inputSequence: Schema.optionalKey(Schema.Int)
})
export type Replay = typeof Replay.Type

const ReplayRecord = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), ...Replay.fields }))
const encode = Schema.encodeSync(ReplayRecord)

export const encodeReplay = (replay: Replay): string => encode({ version: 1, ...replay })

/** Reads a step; throws a SchemaError where the text is none. */
export const decodeReplay: (text: string) => Replay = Schema.decodeUnknownSync(ReplayRecord)

/** The id of a purchase that is sent instead of a rejected one and names none itself. */
export const replayedPurchaseId = (inputSequence: number, index: number): string => `replay-${inputSequence}-${index}`
