import type { NatsConnection } from "nats"
import { headsStream, headsSubject } from "../../../src/protocol/Subject.ts"
import { HeadTable, headEntryBytes } from "../../../src/ledger/HeadTable.ts"
import type { FloorReads } from "./FloorReads.ts"
import { headersOf, type Publish } from "./Protocol.ts"

/**
 * The number of revisions after which the first partition writes a hint. Each further partition writes its hint
 * somewhat later, so that few hints are written at once.
 */
const hintRevisions = 16_384
const hintRevisionsStagger = 512
/** The most bytes of a chunk of a base or a hint: 512 KiB, cut off to whole entries. */
const chunkBytesMax = headEntryBytes * Math.floor((512 * 1024) / headEntryBytes)

interface Manifest {
  readonly key: ReadonlyArray<number>
  /** The sequence of the commit up to which the base and the hints are complete. */
  readonly through: number
  readonly base: ReadonlyArray<number>
  readonly hints: ReadonlyArray<number>
}

const newKey = (): Uint32Array => crypto.getRandomValues(new Uint32Array(4))

/** Keeps the table of heads of one partition of the floor, and writes hints and bases. */
export class FloorHeads {
  table = new HeadTable(newKey())
  private readonly options: {
    readonly partition: number
    readonly client: NatsConnection
    readonly publish: Publish
    readonly reads: FloorReads
  }
  private base: Array<number> = []
  private baseBytes = 0
  private hints: Array<number> = []
  private hintBytes = 0
  private blobs = 0
  private manifestAt = 0
  private newest = 0
  private revisions = 0
  private isWriting = false

  constructor(options: FloorHeads["options"]) {
    this.options = options
  }

  /** Adds the heads of a durable commit to the table. */
  committed(userTokens: Iterable<string>, sequence: number): void {
    for (const token of userTokens) {
      this.table.set(token, sequence)
      this.revisions += 1
    }
    this.newest = sequence
    const due = hintRevisions + hintRevisionsStagger * this.options.partition
    if (this.revisions >= due && !this.isWriting) void this.write()
  }

  /**
   * Reads the manifest, and the chunks that the manifest names. Returns the sequence from which on the chain has to be
   * read.
   */
  async restore(): Promise<number> {
    const { reads, partition } = this.options
    const found = await reads.latest(headsSubject(partition, "manifest"))
    if (found === undefined) return 1
    const { key, through, base, hints }: Manifest = JSON.parse(new TextDecoder().decode(found.data))
    this.table = new HeadTable(Uint32Array.from(key))
    this.manifestAt = found.sequence
    this.newest = through
    this.blobs = found.sequence
    this.base = [...base]
    this.hints = [...hints]
    const bytesOf = async (blobs: ReadonlyArray<number>): Promise<number> => {
      let bytes = 0
      for (const entries of await Promise.all(blobs.map((at) => reads.at(at)))) {
        this.table.read(entries)
        bytes += entries.byteLength
      }
      return bytes
    }
    this.baseBytes = await bytesOf(base)
    this.hintBytes = await bytesOf(hints)
    return through + 1
  }

  private store(part: string, data: Uint8Array | string, expected?: number): Promise<number> {
    const { publish, partition } = this.options
    const headers = headersOf(expected === undefined ? "" : `Nats-Expected-Last-Subject-Sequence: ${expected}\r\n`)
    return new Promise((stored) => publish(headsSubject(partition, part), data, headers, ({ seq }) => stored(seq)))
  }

  private async storeEntries(kind: string, entries: Uint8Array): Promise<Array<number>> {
    this.blobs += 1
    const stored: Array<number> = []
    for (let from = 0; from < entries.byteLength; from += chunkBytesMax) {
      const chunk = entries.subarray(from, from + chunkBytesMax)
      stored.push(await this.store(`${kind}.${this.blobs}.${stored.length}`, chunk))
    }
    return stored
  }

  /**
   * Writes a hint, or a base if the hints would become as large as a base. After the hint or the base, writes the
   * manifest.
   */
  private async write(): Promise<void> {
    this.isWriting = true
    this.revisions = 0
    const through = this.newest
    const { table } = this
    const isBase = this.hintBytes + headEntryBytes * table.changed >= this.baseBytes
    const entries = isBase ? table.takeAll() : table.takeChanged()
    const stored = await this.storeEntries(isBase ? "base" : "hint", entries)
    if (isBase) {
      this.base = stored
      this.baseBytes = entries.byteLength
      this.hints = []
      this.hintBytes = 0
    } else {
      this.hints.push(...stored)
      this.hintBytes += entries.byteLength
    }
    const manifest: Manifest = { key: [...table.key], through, base: this.base, hints: this.hints }
    this.manifestAt = await this.store("manifest", JSON.stringify(manifest), this.manifestAt)
    if (isBase) await this.purgeBefore(stored[0] ?? 0)
    this.isWriting = false
  }

  /** Removes the chunks of this partition before a sequence. */
  private async purgeBefore(sequence: number): Promise<void> {
    const { client, partition } = this.options
    const body = JSON.stringify({ filter: headsSubject(partition, ">"), seq: sequence })
    await client.request(`$JS.API.STREAM.PURGE.${headsStream}`, body, { timeout: 60_000 })
  }
}
