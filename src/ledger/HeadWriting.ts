import { Context, Duration } from "effect"
import { headEntryBytes } from "./HeadTable.ts"

const chunkBytesMax = 512 * 1024

/**
 * Says when a worker writes heads: a hint with the heads that changed since the last write, or a base with all heads.
 * `HeadWriting` is a reference with a default, so that a simulation of few purchases can make hints and bases more
 * frequent.
 */
export const HeadWriting = Context.Reference<{
  /** The number of revisions after which a partition writes a hint or a base. */
  readonly revisions: number
  /** Partition `n` adds `n` times this number to `revisions`, so that few partitions write heads at the same time. */
  readonly revisionsOfPartition: number
  /** The time after which a partition writes a hint or a base if a head has changed. */
  readonly time: Duration.Duration
  /** The wait after a failed write of a hint or a base, before the next write. */
  readonly timeAfterFailure: Duration.Duration
  /** The most entries of one chunk. A chunk is one message of a hint or a base. */
  readonly chunkEntriesMax: number
}>("purchases/ledger/HeadWriting", {
  defaultValue: () => ({
    revisions: 16_384,
    revisionsOfPartition: 512,
    time: Duration.seconds(30),
    timeAfterFailure: Duration.seconds(1),
    chunkEntriesMax: Math.floor(chunkBytesMax / headEntryBytes)
  })
})
