import { perUser, type PerUser, type Shared, users } from "./Chain.ts"
import { type Blob, type HeadsRules, type HeadsWrite, type Manifest, writeHeads } from "./Heads.ts"
import type { Rules } from "./Rules.ts"
import { asFault, headsLeftOnTheirWay, type Worker, type WorkerStep, type WorkerSteps } from "./Worker.ts"

export const headsRulesOf = ({ bounds, mistakes }: Rules): HeadsRules => ({
  replacesUnconditionally: mistakes.has("manifest replaced unconditionally"),
  keepsOlder: bounds.faults > 0 && (bounds.heads ?? 0) > 0
})

/** Returns the table that is written: the heads of acknowledged commits alone. */
const writtenTable = ({ mistakes }: Rules, { table, inFlight }: Worker): PerUser<number> =>
  mistakes.has("heads written before the acknowledgement")
    ? perUser((user) => table[user] + (inFlight?.lines[user] === undefined ? 0 : 1))
    : table

/** Cuts a base into one chunk for each account. The second chunk has a name that no other blob has. */
const chunksOf = ({ name, key, heads }: Blob) =>
  users.map((user, index) => {
    const blob = { name: index === 0 ? name : -name, key, heads: perUser((one) => (one === user ? heads[one] : 0)) }
    return { kind: "blob", blob, chunkOf: user } as const
  })

/** Fills a chunk when it is written. The heads of a chunk may thus be newer than `through`. */
const asWritten = ({ mistakes }: Rules, { phase, table }: Worker, write: HeadsWrite): HeadsWrite => {
  if (phase !== "running") return write
  if (write.kind === "manifest" && mistakes.has("base named complete at its end")) {
    return { ...write, manifest: { ...write.manifest, through: table } }
  }
  if (write.kind !== "blob" || write.chunkOf === undefined) return write
  const { chunkOf, blob } = write
  return { ...write, blob: { ...blob, heads: perUser((user) => (user === chunkOf ? table[user] : 0)) } }
}

/** Returns the writes of a hint or base: its blobs, the manifest, and for a base the purge of older blobs. */
const jobOf = (
  { bounds, mistakes }: Rules,
  manifest: Manifest,
  blob: Blob,
  through: PerUser<number>,
  isBase: boolean
): ReadonlyArray<HeadsWrite> => {
  const { name } = blob
  const written = isBase && bounds.writesChunks === true ? chunksOf(blob) : [{ kind: "blob", blob } as const]
  const names = written.map((write) => write.blob.name)
  const blobs = isBase ? names : [...manifest.blobs, ...names]
  // A planted mistake names a hint that was written under another key.
  const key = isBase ? blob.key : manifest.key
  const naming: HeadsWrite = {
    kind: "manifest",
    manifest: { revision: 0, key, blobs, through },
    expects: manifest.revision
  }
  const purges: ReadonlyArray<HeadsWrite> = isBase && bounds.keepsBlobs !== true ? [{ kind: "purge", below: name }] : []
  return mistakes.has("purge before the manifest is stored")
    ? [...written, ...purges, naming]
    : [...written, naming, ...purges]
}

const begin: WorkerSteps = (rules, shared, worker) => {
  const { manifest } = worker
  if (worker.phase !== "running" || manifest === undefined || shared.headsLeft === 0) return []
  const through = writtenTable(rules, worker)
  if (users.every((user) => through[user] <= manifest.through[user])) return []
  const isNumberedBehind = rules.mistakes.has("blobs numbered behind the manifest")
  const name = isNumberedBehind ? Math.max(0, ...manifest.blobs) + 1 : (rules.bounds.heads ?? 0) - shared.headsLeft + 1
  // A worker that finds no key draws a random one. The model uses the number of the worker's first blob, which is
  // unique.
  const key = worker.key === 0 ? (rules.bounds.heads ?? 0) - shared.headsLeft + 1 : worker.key
  const since = rules.mistakes.has("changes forgotten before the manifest") ? worker.hinted : manifest.through
  const changed = perUser((user) => (through[user] > since[user] ? through[user] : 0))
  const write = (kind: "hint" | "base"): WorkerStep => ({
    name: `begins a ${kind}: ann ${through.ann}, bob ${through.bob}`,
    shared: { ...shared, headsLeft: shared.headsLeft - 1 },
    worker: {
      ...worker,
      key,
      hinted: through,
      job: jobOf(rules, manifest, { name, key, heads: kind === "base" ? through : changed }, through, kind === "base")
    }
  })
  const isSameKey = key === manifest.key || rules.mistakes.has("hint under another key")
  return manifest.blobs.length > 0 && isSameKey ? [write("hint"), write("base")] : [write("base")]
}

/**
 * Drops a hint or base whose manifest was refused. Reads the manifest again. After a refused manifest, the next blob is
 * made anew.
 */
const refused = ({ mistakes }: Rules, shared: Shared, worker: Worker): Worker => {
  const [naming] = worker.job
  const newest = shared.heads.manifest
  const isHint = naming?.kind === "manifest" && worker.job.length === 1 && newest.key === naming.manifest.key
  if (!mistakes.has("hint named again after a refusal") || !isHint) return { ...worker, job: [], manifest: undefined }
  const blobs = [...newest.blobs, ...naming.manifest.blobs.slice(-1)]
  const again = { ...naming, manifest: { ...naming.manifest, blobs }, expects: newest.revision }
  return { ...worker, job: [again] }
}

const nameOf = (write: HeadsWrite): string => {
  switch (write.kind) {
    case "blob":
      return `writes blob ${write.blob.name}: ann ${write.blob.heads.ann}, bob ${write.blob.heads.bob}`
    case "manifest":
      return `replaces manifest ${write.expects}, naming blobs ${write.manifest.blobs.join()}`
    case "purge":
      return `purges the blobs below ${write.below}`
  }
}

const proceed: WorkerSteps = (rules, shared, worker) => {
  const [first, ...job] = worker.job
  if (first === undefined) return []
  const next = asWritten(rules, worker, first)
  const name = nameOf(next)
  const heads = writeHeads(shared.heads, next, headsRulesOf(rules))
  const isRunning = worker.phase === "running"
  if (heads === undefined) {
    const told = isRunning ? refused(rules, shared, worker) : { ...worker, job: [] }
    return [{ name: `${name}: refused`, shared, worker: told }]
  }
  const manifest = next.kind === "manifest" && isRunning ? heads.manifest : worker.manifest
  const given = { ...worker, job: [], manifest: isRunning ? undefined : worker.manifest }
  return [
    { name, shared: { ...shared, heads }, worker: { ...worker, job, manifest } },
    ...asFault(shared, { name: `gives up: ${name}`, shared: headsLeftOnTheirWay(shared, worker), worker: given })
  ]
}

const readAgain: WorkerSteps = (_rules, shared, worker) =>
  worker.phase === "running" && worker.manifest === undefined && worker.job.length === 0 && shared.headsLeft > 0
    ? [{ name: "reads the manifest again", shared, worker: { ...worker, manifest: shared.heads.manifest } }]
    : []

/** Writes one hint or base at a time, beside the commits. A worker that lost the partition may go on with the write. */
export const writeBehind: WorkerSteps = (rules, shared, worker) =>
  worker.job.length > 0
    ? proceed(rules, shared, worker)
    : [...begin(rules, shared, worker), ...readAgain(rules, shared, worker)]

type EnvironmentStep = Omit<WorkerStep, "worker">

/** Applies heads that arrive late, and loses blobs. */
export const headsFaults = (rules: Rules, shared: Shared): ReadonlyArray<EnvironmentStep> => {
  const arrivals = shared.lateHeads.map((write, index) => {
    const heads = writeHeads(shared.heads, write, headsRulesOf(rules))
    return {
      name: `late: ${nameOf(write)}${heads === undefined ? ": refused" : ""}`,
      shared: { ...shared, heads: heads ?? shared.heads, lateHeads: shared.lateHeads.toSpliced(index, 1) },
      fault: true
    }
  })
  const losses = shared.heads.blobs.flatMap(({ name }, index) => {
    const heads = { ...shared.heads, blobs: shared.heads.blobs.toSpliced(index, 1), hasLost: true }
    return asFault(shared, { name: `blob ${name} is lost`, shared: { ...shared, heads } })
  })
  return [...arrivals, ...losses]
}
