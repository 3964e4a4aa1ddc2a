import { Effect, Schema } from "effect"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import { ownerKey, positionKey } from "../domain/Subject.ts"
import { LedgerBucket, type Write } from "../nats/LedgerBucket.ts"
import type { CommitEpoch } from "./Proposal.ts"

const PositionRecord = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), position: Schema.Number }))
const decodePosition = Schema.decodeUnknownSync(PositionRecord)

export const encodePosition = (position: number): string => `{"version":1,"position":${position}}`

/** What has to hold for whatever an epoch writes: that nobody else has taken the partition over since it began. */
export const ownerGuard = ({ partition, epoch }: Pick<CommitEpoch<never>, "partition" | "epoch">) => ({
  key: ownerKey(partition),
  revision: epoch
})

/** Records how far an epoch has come, under its guard. */
export const positionWrite = (epoch: CommitEpoch<unknown>): Write => ({
  key: positionKey(epoch.partition),
  value: encodePosition(epoch.progress.position),
  guard: ownerGuard(epoch)
})

/** The input sequence up to which a partition is applied, as the leader has it; 0 before the first commit. */
export const readPosition = (partition: number): Effect.Effect<number, BrokerFailure, LedgerBucket> =>
  Effect.gen(function* () {
    const bucket = yield* LedgerBucket
    const stored = yield* bucket.latest(positionKey(partition))
    return stored === undefined ? 0 : decodePosition(stored.value).position
  })
