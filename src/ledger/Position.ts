import { Effect, Schema } from "effect"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import { positionKey } from "../domain/Subject.ts"
import { LedgerBucket } from "../nats/LedgerBucket.ts"

const PositionRecord = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), position: Schema.Number }))
const decodePosition = Schema.decodeUnknownSync(PositionRecord)

export const encodePosition = (position: number): string => `{"version":1,"position":${position}}`

/** The input sequence up to which a partition is applied, as the leader has it; 0 before the first commit. */
export const readPosition = (partition: number): Effect.Effect<number, BrokerFailure, LedgerBucket> =>
  Effect.gen(function* () {
    const bucket = yield* LedgerBucket
    const stored = yield* bucket.latest(positionKey(partition))
    return stored === undefined ? 0 : decodePosition(stored.value).position
  })
