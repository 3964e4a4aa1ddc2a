import { Effect, Exit, Latch, type Semaphore } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import {
  encodeManifest,
  type HeadManifest,
  isBaseDue,
  type StoredHeads,
  withBase,
  withHint
} from "../protocol/HeadManifest.ts"
import type { CommitConflict } from "../nats/client/ConditionalAppend.ts"
import type { HeadStore } from "../nats/HeadStore.ts"
import { CrashPoint, writeBetween } from "./CrashPoint.ts"
import type { RestoredHeads } from "./HeadRestore.ts"
import { type HeadTable, headEntryBytes } from "./HeadTable.ts"
import type { HeadWriting } from "./HeadWriting.ts"

/** The store, the bounds and the semaphore that all head writers of a worker share. */
export interface WriterHands {
  readonly store: (typeof HeadStore)["Service"]
  readonly bounds: (typeof HeadWriting)["Service"]
  /**
   * Lets the partitions of a worker write their heads one after another, because a base is the largest thing that a
   * worker writes.
   */
  readonly writing: Semaphore.Semaphore
}

/**
 * A hint or a base that a worker is about to write. `through` is the sequence of the newest commit whose heads are in
 * `entries`.
 */
interface HeadWrite {
  readonly kind: "hint" | "base"
  readonly entries: Uint8Array
  readonly through: number
}

/** Writes the heads of one partition in one epoch as hints and bases, some time after the commits. */
export class HeadWriter {
  private readonly hands: WriterHands
  private readonly partition: number
  private readonly epoch: number
  private readonly table: HeadTable
  private readonly revisionsMax: number
  private readonly due = Latch.makeUnsafe(false)
  private manifest: HeadManifest
  private manifestAt: number
  private newest: number
  private revisions: number
  private isComplete = true
  private writes = 0

  /** `behind` is the number of revisions of the chain whose heads are not in the chunks of the manifest. */
  constructor(hands: WriterHands, partition: number, epoch: number, restored: RestoredHeads, behind: number) {
    const { bounds } = hands
    this.hands = hands
    this.partition = partition
    this.epoch = epoch
    this.table = restored.table
    this.manifest = restored.manifest
    this.manifestAt = restored.manifestAt
    this.newest = epoch
    this.revisions = behind
    this.revisionsMax = bounds.revisions + bounds.revisionsOfPartition * partition
  }

  /** Sets the heads of the users of a durable commit. */
  committed(userTokens: ReadonlyArray<string>, sequence: number): void {
    for (const userToken of userTokens) this.table.set(userToken, sequence)
    this.newest = sequence
    this.revisions += userTokens.length
    if (this.revisions >= this.revisionsMax) this.due.openUnsafe()
  }

  /**
   * Writes a hint with the heads that changed, or a base with all heads. After a failed write of heads, the next write
   * is a base.
   */
  get write(): Effect.Effect<void, BrokerFailure | CommitConflict> {
    return this.hands.writing.withPermit(this.writeOnce())
  }

  /** Writes heads again and again, whenever enough revisions are committed or enough time has passed. */
  get writeBehind(): Effect.Effect<never> {
    const { time, timeAfterFailure } = this.hands.bounds
    return Effect.gen({ self: this }, function* () {
      yield* this.due.await.pipe(Effect.timeoutOption(time))
      this.due.closeUnsafe()
      const exit = yield* Effect.exit(this.write)
      if (Exit.isFailure(exit)) yield* Effect.sleep(timeAfterFailure)
    }).pipe(Effect.forever)
  }

  private writeOnce(): Effect.Effect<void, BrokerFailure | CommitConflict> {
    return Effect.gen({ self: this }, function* () {
      const { store } = this.hands
      if (this.table.changed === 0 && this.isComplete) return
      if (!this.isComplete) this.manifestAt = (yield* store.manifest(this.partition))?.sequence ?? 0
      const { kind, entries, through } = this.begin()
      const stored = yield* this.storeEntries(kind, entries)
      const next = (kind === "base" ? withBase : withHint)(this.manifest, stored, through)
      const replacing = store.replaceManifest(this.partition, encodeManifest(next), this.manifestAt)
      this.manifestAt = yield* writeBetween(["manifest-sent", "manifest-stored"], replacing)
      this.manifest = next
      this.isComplete = true
      const [first] = stored.chunks
      if (kind === "base" && first !== undefined) yield* this.removeBelow(first)
    })
  }

  /**
   * Returns the next hint or base to write. If the write of the returned hint or base does not complete, the following
   * write is a base.
   */
  private begin(): HeadWrite {
    const isBase = !this.isComplete || isBaseDue(this.manifest, headEntryBytes * this.table.changed)
    const entries = isBase ? this.table.takeAll() : this.table.takeChanged()
    this.revisions = 0
    this.isComplete = false
    this.writes += 1
    return { kind: isBase ? "base" : "hint", entries, through: this.newest }
  }

  private storeEntries(kind: HeadWrite["kind"], entries: Uint8Array): Effect.Effect<StoredHeads, BrokerFailure> {
    return Effect.gen({ self: this }, function* () {
      const { store, bounds } = this.hands
      const chunkBytes = headEntryBytes * bounds.chunkEntriesMax
      const chunks: Array<number> = []
      for (let from = 0; from < entries.byteLength; from += chunkBytes) {
        const name = `${kind}.${this.epoch}-${this.writes}.${chunks.length}`
        const storing = store.store(this.partition, name, entries.subarray(from, from + chunkBytes))
        chunks.push(yield* writeBetween([`${kind}-sent`, `${kind}-stored`], storing))
      }
      return { chunks, bytes: entries.byteLength }
    })
  }

  private removeBelow(sequence: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      yield* Effect.ignore(this.hands.store.removeBelow(this.partition, sequence))
      const { reached } = yield* CrashPoint
      yield* reached("heads-purged")
    })
  }
}
