import { Context, Duration, Effect, Exit, Latch, Layer, type Scope, Semaphore } from "effect"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import { revisionLinesOf, tokenOfLine } from "../domain/Commit.ts"
import {
  decodeManifest,
  emptyManifest,
  encodeManifest,
  type HeadManifest,
  isBaseDue,
  type StoredHeads,
  withBase,
  withHint
} from "../domain/HeadManifest.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import type { CommitConflict } from "../nats/ConditionalAppend.ts"
import { HeadStore } from "../nats/HeadStore.ts"
import { LedgerInconsistent } from "./AccountReader.ts"
import { CrashPoint, writeBetween } from "./CrashPoint.ts"
import { HeadTable, headEntryBytes } from "./HeadTable.ts"

/** How many chunks are read at once. */
const chunksAtOnceMax = 8
const chunkBytesMax = 512 * 1024

/** When hints and bases are written. A reference with a default, so that a simulation of few purchases writes them too. */
export const HeadWriting = Context.Reference<{
  /** One is written after so many revisions. */
  readonly revisions: number
  /** Each partition adds so many times its number, so that few are due at once. */
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

/** Where each account's newest revision is, in one epoch of one partition. */
export interface PartitionHeads {
  /** Returns the sequence of a user's newest revision, 0 for a user without one. */
  readonly find: (userToken: string) => number
  /** Takes note of a durable commit. It must not be called before the commit is acknowledged. */
  readonly committed: (userTokens: ReadonlyArray<string>, sequence: number) => void
  /** Writes what changed as a hint, or everything as a base. A failure loses nothing: the next write is a base. */
  readonly write: Effect.Effect<void, BrokerFailure | CommitConflict>
}

const newKey = (): ReadonlyArray<number> => [...crypto.getRandomValues(new Uint32Array(4))]

/** Heads as they were read: the table, the manifest that it came from, and the manifest's sequence. */
interface Restored {
  readonly table: HeadTable
  readonly manifest: HeadManifest
  readonly manifestAt: number
}

const emptyHeads = (manifestAt: number): Restored => {
  const manifest = emptyManifest(newKey())
  return { table: new HeadTable(Uint32Array.from(manifest.key)), manifest, manifestAt }
}

/** Reads the chunks that a manifest names into a table; `undefined` if one of them is gone. */
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
 * Reads the heads of a partition that its newest manifest names. Begins with empty heads, to be made anew from the chain,
 * if a chunk is lost, or if the manifest covers more than the chain has: the chain alone counts.
 */
const restore = Effect.fnUntraced(function* (
  store: (typeof HeadStore)["Service"],
  partition: number,
  epoch: number
): Effect.fn.Return<Restored, BrokerFailure> {
  let tried = 0
  while (true) {
    const stored = yield* store.manifest(partition)
    // With one manifest twice, a chunk of it is lost. Before, an old owner may have written a base and removed the chunk.
    if (stored === undefined || stored.sequence === tried) return emptyHeads(tried)
    const manifest = decodeManifest(stored.text)
    if (manifest.through >= epoch) return emptyHeads(stored.sequence)
    const table = yield* tableOf(store, manifest)
    if (table !== undefined) return { table, manifest, manifestAt: stored.sequence }
    tried = stored.sequence
  }
})

/**
 * Takes the commits of a chain into a table, from a sequence on up to the take-over record of the epoch, and returns how
 * many revisions they have. Fails if the chain ends before that record: a head that is missing would let a purchase count twice.
 */
const readChain = Effect.fnUntraced(function* (
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
      // A page may have what a later owner committed. The heads of this epoch are those of the chain before it.
      if (sequence > epoch) break
      const lines = revisionLinesOf(text)
      for (const line of lines) table.set(tokenOfLine(line), sequence)
      revisions += lines.length
    }
    next = last.sequence + 1
  }
  return revisions
})

/** Opens the heads of the partitions that a worker owns. */
export class Heads extends Context.Service<
  Heads,
  {
    /**
     * Restores the heads of a partition as of an epoch's take-over record, and writes them behind its commits until the
     * scope closes.
     */
    readonly open: (
      partition: number,
      epoch: number
    ) => Effect.Effect<PartitionHeads, BrokerFailure | LedgerInconsistent, Scope.Scope>
  }
>()("purchases/ledger/Heads") {
  static readonly layer = Layer.effect(
    Heads,
    Effect.gen(function* () {
      const store = yield* HeadStore
      const chain = yield* CommitChain
      const bounds = yield* HeadWriting
      const chunkBytes = headEntryBytes * bounds.chunkEntriesMax
      // A base is the largest thing that a worker writes, so one of its partitions writes at a time.
      const writing = yield* Semaphore.make(1)
      const crashPoint = yield* CrashPoint

      const storeEntries = Effect.fnUntraced(function* (
        partition: number,
        kind: "hint" | "base",
        name: string,
        entries: Uint8Array
      ) {
        const chunks: Array<number> = []
        for (let from = 0; from < entries.byteLength; from += chunkBytes) {
          const chunk = entries.subarray(from, from + chunkBytes)
          const storing = store.store(partition, `${kind}.${name}.${chunks.length}`, chunk)
          chunks.push(yield* writeBetween([`${kind}-sent`, `${kind}-stored`], storing))
        }
        return { chunks, bytes: entries.byteLength } satisfies StoredHeads
      })

      const open = Effect.fnUntraced(function* (partition: number, epoch: number) {
        const restored = yield* restore(store, partition, epoch)
        const { table } = restored
        let { manifest, manifestAt } = restored
        const behind = yield* readChain(chain, partition, table, manifest.through + 1, epoch)
        const due = Latch.makeUnsafe(false)
        const revisionsMax = bounds.revisions + bounds.revisionsOfPartition * partition
        let newest = epoch
        let revisions = behind
        let isComplete = true
        let writes = 0

        const takeEntries = () => {
          const isBase = !isComplete || isBaseDue(manifest, headEntryBytes * table.changed)
          const entries = isBase ? table.takeAll() : table.takeChanged()
          const through = newest
          revisions = 0
          isComplete = false
          writes += 1
          return { isBase, entries, through }
        }

        const write = Effect.gen(function* () {
          if (table.changed === 0 && isComplete) return
          if (!isComplete) manifestAt = (yield* store.manifest(partition))?.sequence ?? 0
          const { isBase, entries, through } = takeEntries()
          const stored = yield* storeEntries(partition, isBase ? "base" : "hint", `${epoch}-${writes}`, entries)
          const next = isBase ? withBase(manifest, stored, through) : withHint(manifest, stored, through)
          const replacing = store.replaceManifest(partition, encodeManifest(next), manifestAt)
          manifestAt = yield* writeBetween(["manifest-sent", "manifest-stored"], replacing)
          manifest = next
          isComplete = true
          const first = stored.chunks[0]
          if (!isBase || first === undefined) return
          yield* Effect.ignore(store.removeBelow(partition, first))
          yield* crashPoint.reached("heads-purged")
        }).pipe(writing.withPermit)

        const writeBehind = Effect.gen(function* () {
          yield* due.await.pipe(Effect.timeoutOption(bounds.time))
          due.closeUnsafe()
          const exit = yield* Effect.exit(write)
          if (Exit.isFailure(exit)) yield* Effect.sleep(bounds.timeAfterFailure)
        }).pipe(Effect.forever)

        yield* Effect.forkScoped(writeBehind)
        return {
          find: (userToken) => table.find(userToken),
          committed: (userTokens, sequence) => {
            for (const userToken of userTokens) table.set(userToken, sequence)
            newest = sequence
            revisions += userTokens.length
            if (revisions >= revisionsMax) due.openUnsafe()
          },
          write
        } satisfies PartitionHeads
      })

      return Heads.of({ open })
    })
  )
}
