import { Context, Duration } from "effect"
import { headEntryBytes } from "./HeadTable.ts"

const chunkBytesMax = 512 * 1024

/**
 * The times at which hints and bases are written. It is a reference with a default, so that a simulation of few
 * purchases writes them too.
 */
export const HeadWriting = Context.Reference<{
  /** The number of revisions after which a hint or a base is written. */
  readonly revisions: number
  /** Partition `n` adds `n` times this number, so that few partitions write at the same time. */
  readonly revisionsOfPartition: number
  /** The time after which a hint or a base is written if anything changed. */
  readonly time: Duration.Duration
  /** The wait after a write that failed. The next write is a base. */
  readonly timeAfterFailure: Duration.Duration
  /** The most entries of one chunk. */
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
