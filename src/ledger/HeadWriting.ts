import { Context, Duration } from "effect"
import { headEntryBytes } from "./HeadTable.ts"

const chunkBytesMax = 512 * 1024

/** When hints and bases are written. A reference with a default, so that a simulation of few purchases writes them too. */
export const HeadWriting = Context.Reference<{
  /** The number of revisions after which one is written. */
  readonly revisions: number
  /** Each partition adds this number times its own, so that few are due at once. */
  readonly revisionsOfPartition: number
  /** One is written after this time, if anything changed. */
  readonly time: Duration.Duration
  /** A write that failed is tried again after this time, as a base. */
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
