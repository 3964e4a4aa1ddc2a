import { Effect } from "effect"
import { HeadTable } from "../ledger/HeadTable.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { CommitStream } from "../nats/CommitStream.ts"
import { HeadStore } from "../nats/HeadStore.ts"
import { InputLog } from "../nats/InputLog.ts"
import { Topology } from "../nats/Topology.ts"
import { headOf } from "../protocol/Commit.ts"
import { decodeManifest } from "../protocol/HeadManifest.ts"
import type { AuditEnds } from "./AuditPass.ts"
import type { AuditFindings } from "./AuditFindings.ts"
import { HeadsAudit } from "./HeadsAudit.ts"

/** The most chunks of heads that are read at once. */
const chunksAtOnceMax = 8

/** Returns the position in a commit; 0 if the commit cannot be read, so that no input is compared. */
const positionIn = (text: string): number => {
  try {
    return headOf(text).position
  } catch {
    return 0
  }
}

/** The ends of the ledger, and the first sequence of the input log. */
export interface LedgerEnds extends AuditEnds {
  readonly inputFirst: number
}

/**
 * Reads the ends of the ledger. The positions are read first, so the journal up to its end has their commits. The end
 * of the input log is read last, so the input log has every message that these commits have applied.
 */
export const readEnds = Effect.gen(function* () {
  const chain = yield* CommitChain
  const { partitions } = yield* Topology
  const positions: Array<number> = []
  for (let partition = 0; partition < partitions; partition += 1) {
    const newest = yield* chain.newest(partition)
    positions.push(newest === undefined ? 0 : positionIn(newest.text))
  }
  const journalThrough = yield* Effect.flatMap(CommitStream, ({ lastSequence }) => lastSequence)
  const { first, last } = yield* Effect.flatMap(InputLog, ({ bounds }) => bounds)
  return { positions, journalThrough, inputThrough: last, inputFirst: first } satisfies LedgerEnds
})

/** The heads of a partition, with the sequence of their manifest. */
export interface ReadHeads {
  readonly manifestAt: number
  readonly heads: HeadsAudit
}

/** Reads the heads that the newest manifest of a partition names; `undefined` if the partition has no heads. */
const readHeadsOf = Effect.fnUntraced(function* (partition: number, findings: AuditFindings) {
  const store = yield* HeadStore
  let tried = 0
  while (true) {
    const stored = yield* store.manifest(partition)
    // A chunk that is missing under the same manifest is lost. The next take-over makes such heads again.
    if (stored === undefined || stored.sequence === tried) return undefined
    tried = stored.sequence
    const manifest = yield* Effect.option(Effect.try(() => decodeManifest(stored.text)))
    if (manifest._tag === "None") {
      findings.add(`heads of partition ${partition}`, "the manifest cannot be read")
      return undefined
    }
    const { key, base, hints, through } = manifest.value
    const chunks = yield* Effect.forEach([...base, ...hints], store.at, { concurrency: chunksAtOnceMax })
    if (chunks.includes(undefined)) continue
    const table = new HeadTable(Uint32Array.from(key))
    for (const chunk of chunks) if (chunk !== undefined) table.read(chunk)
    return { manifestAt: stored.sequence, heads: new HeadsAudit(partition, through, table) } satisfies ReadHeads
  }
})

/** Reads the heads of partitions. Heads that reach beyond the journal are a finding, and are left out. */
export const readHeads = Effect.fnUntraced(function* (partitions: ReadonlyArray<number>, findings: AuditFindings) {
  const read = new Map<number, ReadHeads>()
  for (const partition of partitions) {
    const found = yield* readHeadsOf(partition, findings)
    if (found !== undefined) read.set(partition, found)
  }
  const last = yield* Effect.flatMap(CommitStream, ({ lastSequence }) => lastSequence)
  for (const [partition, { heads }] of read) {
    if (heads.through <= last) continue
    const problem = `the heads reach to commit ${heads.through}, and the journal to ${last}`
    findings.add(`heads of partition ${partition}`, problem)
    read.delete(partition)
  }
  return read
})
