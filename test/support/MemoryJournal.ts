import { Effect, Layer } from "effect"
import { BrokerUnavailable, OutcomeUnknown } from "../../src/protocol/BrokerError.ts"
import { CommitChain, type JournalRecord } from "../../src/nats/CommitChain.ts"
import { HeadStore } from "../../src/nats/HeadStore.ts"
import { CommitConflict } from "../../src/nats/client/ConditionalAppend.ts"

/** The fate of a write to the heads: done, not done, or done without an answer. */
export type Fate = "done" | "refused" | "unanswered"

interface Chunk {
  readonly partition: number
  readonly bytes: Uint8Array
}

/**
 * The journal and the heads in memory. `fates` are the outcomes of the next writes to the heads, and further writes
 * succeed.
 */
export class MemoryJournal {
  fates: Array<Fate> = []
  readonly chunks = new Map<number, Chunk>()
  /** The effect that runs once after the next read of a manifest, before the chunks of the manifest are read. */
  afterManifest: Effect.Effect<unknown> | undefined
  /** Whether pages of the chain leave the newest commit out. */
  isCutShort = false
  pagesRead = 0
  private readonly commits = new Map<number, Array<JournalRecord>>()
  private readonly segments = new Map<number, JournalRecord>()
  private readonly manifests = new Map<number, { readonly sequence: number; readonly text: string }>()
  private journalSequence = 0
  private headsSequence = 0

  private write<A, E>(store: () => Effect.Effect<A, E>): Effect.Effect<A, E | BrokerUnavailable | OutcomeUnknown> {
    return Effect.suspend((): Effect.Effect<A, E | BrokerUnavailable | OutcomeUnknown> => {
      const fate = this.fates.shift() ?? "done"
      if (fate === "refused") return Effect.fail(new BrokerUnavailable({ operation: "write", reason: "planned" }))
      if (fate === "done") return store()
      return Effect.andThen(store(), Effect.fail(new OutcomeUnknown({ operation: "write", reason: "planned" })))
    })
  }

  private chainOf(partition: number): Array<JournalRecord> {
    const chain = this.commits.get(partition) ?? []
    this.commits.set(partition, chain)
    return chain
  }

  append(partition: number, text: string, after: number): Effect.Effect<number, CommitConflict> {
    return Effect.suspend(() => {
      const chain = this.chainOf(partition)
      const newest = chain.at(-1)?.sequence ?? 0
      if (newest !== after) return Effect.fail(new CommitConflict({ reason: `wrong last sequence: ${newest}` }))
      this.journalSequence += 1
      chain.push({ sequence: this.journalSequence, storedAt: 0, text })
      return Effect.succeed(this.journalSequence)
    })
  }

  /** Stores a segment, and returns its sequence. */
  seal(text: string): Effect.Effect<number> {
    return Effect.sync(() => {
      this.journalSequence += 1
      this.segments.set(this.journalSequence, { sequence: this.journalSequence, storedAt: 0, text })
      return this.journalSequence
    })
  }

  at(sequence: number): JournalRecord | undefined {
    for (const chain of this.commits.values()) {
      const found = chain.find((commit) => commit.sequence === sequence)
      if (found !== undefined) return found
    }
    return this.segments.get(sequence)
  }

  /** Replaces the text of a commit or a segment, as no worker may do; `undefined` loses the record. */
  spoil(sequence: number, text: string | undefined): void {
    const spoilt = text === undefined ? [] : [{ sequence, storedAt: 0, text }]
    if (this.segments.delete(sequence)) for (const record of spoilt) this.segments.set(sequence, record)
    for (const chain of this.commits.values()) {
      const index = chain.findIndex((commit) => commit.sequence === sequence)
      if (index >= 0) chain.splice(index, 1, ...spoilt)
    }
  }

  newest(partition: number): JournalRecord | undefined {
    return this.chainOf(partition).at(-1)
  }

  /**
   * Removes the commits of a partition after a sequence, and reuses the later numbers, as if an older backup were
   * restored.
   */
  restoreTo(partition: number, sequence: number): void {
    this.commits.set(
      partition,
      this.chainOf(partition).filter((commit) => commit.sequence <= sequence)
    )
    this.journalSequence = sequence
  }

  /** Loses every chunk of the heads, and keeps the manifest. */
  loseChunks(): void {
    this.chunks.clear()
  }

  readonly chainLayer = Layer.sync(CommitChain, () =>
    CommitChain.of({
      newest: (partition) => Effect.sync(() => this.newest(partition)),
      append: (partition, commit, after) => this.append(partition, commit, after),
      seal: (_partition, segment) => this.seal(segment),
      at: (sequence) => Effect.sync(() => this.at(sequence)),
      page: (partition, from) =>
        Effect.sync(() => {
          this.pagesRead += 1
          const chain = this.chainOf(partition).slice(0, this.isCutShort ? -1 : undefined)
          return chain.filter(({ sequence }) => sequence >= from).slice(0, 3)
        }),
      next: (partition, after) => Effect.sync(() => this.chainOf(partition).find(({ sequence }) => sequence > after))
    })
  )

  readonly headsLayer = Layer.sync(HeadStore, () =>
    HeadStore.of({
      manifest: (partition) =>
        Effect.suspend(() => {
          const found = this.manifests.get(partition)
          const after = this.afterManifest ?? Effect.void
          this.afterManifest = undefined
          return Effect.as(after, found)
        }),
      replaceManifest: (partition, text, at) =>
        this.write(() => {
          const newest = this.manifests.get(partition)?.sequence ?? 0
          if (newest !== at) return Effect.fail(new CommitConflict({ reason: `wrong last sequence: ${newest}` }))
          this.headsSequence += 1
          this.manifests.set(partition, { sequence: this.headsSequence, text })
          return Effect.succeed(this.headsSequence)
        }),
      store: (partition, _name, bytes) =>
        this.write(() => {
          this.headsSequence += 1
          this.chunks.set(this.headsSequence, { partition, bytes: bytes.slice() })
          return Effect.succeed(this.headsSequence)
        }),
      at: (sequence) => Effect.sync(() => this.chunks.get(sequence)?.bytes),
      removeBelow: (partition, sequence) =>
        Effect.sync(() => {
          for (const [at, chunk] of this.chunks) {
            if (chunk.partition === partition && at < sequence) this.chunks.delete(at)
          }
        })
    })
  )
}
