import { Effect } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { revisionLinesOf, tokenOfLine } from "../protocol/Commit.ts"
import { decodeManifest, emptyManifest, type HeadManifest } from "../protocol/HeadManifest.ts"
import type { CommitChain } from "../nats/CommitChain.ts"
import type { HeadStore } from "../nats/HeadStore.ts"
import { HeadTable } from "./HeadTable.ts"
import { LedgerInconsistent } from "./AccountReader.ts"

/** The most chunks of hints and bases that a worker reads at once. */
const chunksAtOnceMax = 8

/**
 * Heads that were read from the broker: the table, the manifest that names the chunks of the table, and the sequence of
 * the manifest.
 */
export interface RestoredHeads {
  readonly table: HeadTable
  readonly manifest: HeadManifest
  readonly manifestAt: number
}

const newKey = (): ReadonlyArray<number> => [...crypto.getRandomValues(new Uint32Array(4))]

const emptyHeads = (manifestAt: number): RestoredHeads => {
  const manifest = emptyManifest(newKey())
  return { table: new HeadTable(Uint32Array.from(manifest.key)), manifest, manifestAt }
}

/**
 * Reads the chunks that a manifest names into a table. Returns `undefined` if the stream has lost one of the chunks.
 */
const tableOf = Effect.fnUntraced(function* (store: (typeof HeadStore)["Service"], manifest: HeadManifest) {
  const table = new HeadTable(Uint32Array.from(manifest.key))
  const chunks = yield* Effect.forEach([...manifest.base, ...manifest.hints], store.at, {
    concurrency: chunksAtOnceMax
  })
  for (const chunk of chunks) {
    if (chunk === undefined) return undefined
    table.read(chunk)
  }
  return table
})

/**
 * Reads the heads that the newest manifest of a partition names. Returns empty heads if a chunk is lost, or if the
 * manifest has heads of later commits than the epoch's take-over record. A caller that gets empty heads makes the heads
 * from the whole chain.
 */
export const restoreHeads = Effect.fnUntraced(function* (
  store: (typeof HeadStore)["Service"],
  partition: number,
  epoch: number
): Effect.fn.Return<RestoredHeads, BrokerFailure> {
  let tried = 0
  while (true) {
    const stored = yield* store.manifest(partition)
    // If a chunk is missing, the manifest is read again, because an old owner may just have replaced the manifest and
    // removed the chunks. If the second read returns the same manifest, the chunk is lost.
    if (stored === undefined || stored.sequence === tried) return emptyHeads(tried)
    const manifest = decodeManifest(stored.text)
    if (manifest.through >= epoch) return emptyHeads(stored.sequence)
    const table = yield* tableOf(store, manifest)
    if (table !== undefined) return { table, manifest, manifestAt: stored.sequence }
    tried = stored.sequence
  }
})

/**
 * Takes the heads of a chain's commits into a table, from the sequence `from` up to the epoch's take-over record.
 * Returns the number of revisions in the read commits. Fails with `LedgerInconsistent` if the chain ends before the
 * take-over record. If the table lacked the head of an account, purchases of the account could count twice.
 */
export const readChain = Effect.fnUntraced(function* (
  chain: (typeof CommitChain)["Service"],
  partition: number,
  table: HeadTable,
  from: number,
  epoch: number
) {
  let revisions = 0
  for (let next = from; next <= epoch;) {
    const page = yield* chain.page(partition, next)
    const last = page.at(-1)
    if (last === undefined) {
      const problem = `partition ${partition}: its chain ends before its take-over record ${epoch}`
      return yield* new LedgerInconsistent({ problem })
    }
    for (const { sequence, text } of page) {
      // A page of the chain may also have commits of a later owner. The first heads of an epoch are those of the chain
      // up to the take-over record of the epoch.
      if (sequence > epoch) break
      const lines = revisionLinesOf(text)
      for (const line of lines) table.set(tokenOfLine(line), sequence)
      revisions += lines.length
    }
    next = last.sequence + 1
  }
  return revisions
})
