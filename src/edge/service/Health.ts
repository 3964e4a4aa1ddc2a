import { Duration, Effect, Exit, Schema } from "effect"
import { ConnectionState } from "../../nats/client/ConnectionState.ts"
import { apiCode } from "../../nats/client/JetStreamApi.ts"
import { InputLog } from "../../nats/InputLog.ts"
import { JournalCapacity } from "../../nats/JournalCapacity.ts"
import type { StreamCapacity } from "../../nats/StreamCapacity.ts"
import { failureOf } from "../../runtime/ExitFailure.ts"
import { Count } from "../contract/AnswerBodies.ts"
import { type StatusReading, SystemStatus } from "../../status/SystemStatus.ts"

/**
 * The service has two halves, storing and applying, and each can work without the other. Storing puts purchases on the
 * broker's disk, and needs only the broker. Applying adds stored purchases to accounts, and needs a worker for each
 * partition.
 */

/** The time within which the broker must answer whether storing works, or whether applying works. */
const healthWait = Duration.seconds(1)
/**
 * A broker that answers, and has stored nothing for this long, is stuck. The time `stuckAfterMilliseconds` is longer
 * than an election.
 */
const stuckAfterMilliseconds = 10_000
/**
 * The size of a message with one purchase, in bytes. The input log counts as full when it has less room than a message
 * with one purchase needs.
 */
const purchaseBytes = 1_024
/** The bytes of a large commit. The journal counts as full when it has less room than a large commit needs. */
const commitBytes = 64 * 1_024

export const StoringHealth = Schema.Struct({
  ok: Schema.Boolean.annotateKey({ description: "Whether purchases can be stored now." }),
  detail: Schema.String.annotateKey({ description: "A sentence that tells people the state." })
}).annotate({ identifier: "StoringHealth" })
export type StoringHealth = typeof StoringHealth.Type

export const ApplyingHealth = Schema.Struct({
  ok: Schema.Boolean.annotateKey({ description: "Whether each partition has a worker that applies stored purchases." }),
  detail: Schema.String.annotateKey({ description: "A sentence that tells people the state." }),
  partitions: Schema.Array(Count).annotateKey({ description: "The partitions whose purchases are not applied now." })
}).annotate({ identifier: "ApplyingHealth" })
export type ApplyingHealth = typeof ApplyingHealth.Type

const canStore: StoringHealth = { ok: true, detail: "Purchases can be stored." }
const cannotStore = (why: string): StoringHealth => ({ ok: false, detail: `Purchases cannot be stored: ${why}.` })

/** Asks the broker about the input log, and judges whether purchases can be stored. */
export const storingNow: Effect.Effect<StoringHealth, never, ConnectionState | InputLog> = Effect.gen(function* () {
  const broker = yield* ConnectionState
  if (!broker.isConnected()) return cannotStore("there is no connection to the broker")
  const input = yield* InputLog
  const asked = yield* Effect.exit(Effect.timeout(input.capacity, healthWait))
  if (Exit.isFailure(asked)) {
    const failure = failureOf(asked)
    const isGone = failure?._tag === "BrokerRefused" && failure.code === apiCode.streamNotFound
    return cannotStore(
      isGone
        ? "the input log is gone from the broker. Restore it from a backup, or create it with main.ts --role setup"
        : "the broker does not answer for the input log"
    )
  }
  const { bytes, bytesMax } = asked.value
  if (bytes + purchaseBytes > bytesMax) {
    return cannotStore(
      `the input log is full, with ${bytes} of ${bytesMax} bytes. It has room again when applied purchases are cleaned up`
    )
  }
  const failing = input.failingFor()
  if (failing < stuckAfterMilliseconds) return canStore
  const stuck = `the broker answers, and has stored nothing for ${Math.floor(failing / 1_000)} seconds`
  return cannotStore(`${stuck}. If it stays so, restart the broker that leads the input log`)
})

/** Writes numbers in rising order, and numbers without a gap as a range: `0–3, 5`. */
const ranges = (numbers: ReadonlyArray<number>): string => {
  const runs: Array<[number, number]> = []
  for (const number of numbers) {
    const last = runs.at(-1)
    if (last !== undefined && last[1] === number - 1) last[1] = number
    else runs.push([number, number])
  }
  return runs.map(([first, last]) => (first === last ? String(first) : `${first}–${last}`)).join(", ")
}

const keptUntil = "Stored purchases are kept, and are applied when a worker takes them."

/** Judges whether stored purchases are applied, and names the partitions whose purchases are not applied. */
export const applyingOf = ({ partitions, workers }: StatusReading): ApplyingHealth => {
  const troubled = partitions.filter(({ trouble }) => trouble !== undefined).map(({ partition }) => partition)
  if (troubled.length === 0) return { ok: true, detail: "Stored purchases are applied.", partitions: troubled }
  const which = `${troubled.length === 1 ? "Partition" : "Partitions"} ${ranges(troubled)} of ${partitions.length}`
  const nobody = workers.some(({ isAlive }) => isAlive) ? "" : "No worker is alive. "
  const wayOut = partitions.some(({ isStuck }) => isStuck)
    ? " A worker is alive and commits nothing. If it stays so, restart the broker that leads the journal."
    : ""
  const detail = `${nobody}${which} ${troubled.length === 1 ? "is" : "are"} not applied. ${keptUntil}${wayOut}`
  return { ok: false, detail, partitions: troubled }
}

/** The judgement on applying if the state of the partitions could not be read. */
export const unknownApplying: ApplyingHealth = {
  ok: false,
  detail: "It is not known whether stored purchases are applied: the broker does not answer for the partitions.",
  partitions: []
}

/** Judges applying when the journal is full: no partition can store a commit. */
const journalFull = ({ bytes, bytesMax }: StreamCapacity, partitions: number): ApplyingHealth => ({
  ok: false,
  detail: `The journal is full, with ${bytes} of ${bytesMax} bytes, so no purchase is applied. Stored purchases are kept. Run the setup with a larger JOURNAL_BYTES_MAX.`,
  partitions: Array.from({ length: partitions }, (_, partition) => partition)
})

/**
 * Judges whether stored purchases are applied, from a read of the state and from the room of the journal. If the broker
 * does not tell the room of the journal in time, the judgement is from the state alone.
 */
export const applyingNow = Effect.fnUntraced(function* (reading: StatusReading) {
  const journal = yield* JournalCapacity
  const room = yield* Effect.exit(Effect.timeout(journal.current, healthWait))
  const isFull = Exit.isSuccess(room) && room.value.bytes + commitBytes > room.value.bytesMax
  return isFull ? journalFull(room.value, reading.partitions.length) : applyingOf(reading)
})

/** Judges storing and applying. If storing fails, applying is unknown, because the same broker would be asked. */
export const healthNow = Effect.gen(function* () {
  const storing = yield* storingNow
  if (!storing.ok) return { storing, applying: unknownApplying }
  const status = yield* SystemStatus
  const reading = yield* Effect.exit(Effect.timeout(status.current, healthWait))
  return { storing, applying: Exit.isSuccess(reading) ? yield* applyingNow(reading.value) : unknownApplying }
})
