import { headsOf, type PerUser, perUser, type Shared, type User, users } from "./Chain.ts"
import { lacksBlob, type Manifest, noManifest, readBlobs } from "./Heads.ts"
import { brokenByAcknowledgement } from "./Invariants.ts"
import type { Rules } from "./Rules.ts"
import {
  asFault,
  chainGrown,
  headsLeftOnTheirWay,
  idleWorker,
  over,
  readsEnded,
  type Worker,
  type WorkerStep,
  type WorkerSteps
} from "./Worker.ts"

/** Reads the end of the chain: its position, and the number of revisions of each account. */
const endOf = (shared: Shared) => ({
  reached: shared.position,
  written: shared.position,
  epochHeads: headsOf(shared)
})

/**
 * Stores a take-over record. Reading the end of the chain and publishing the record are one step of the model. A
 * take-over record that finds another end is refused and leaves no trace.
 */
const takeOver = (rules: Rules, shared: Shared, worker: Worker, read: Partial<Worker>): WorkerStep => ({
  name: "takes over",
  shared: readsEnded(rules, chainGrown(rules, headsLeftOnTheirWay(shared, worker))),
  worker: { ...idleWorker, kept: worker.kept, ...read, phase: "taken", ahead: 0 },
  disowns: true
})

const begin: WorkerSteps = (rules, shared, worker) => {
  const { mistakes } = rules
  const readsFirst = mistakes.has("chain read before the record")
  const expectsEnd = mistakes.has("chain read before the record that expects its end")
  if (worker.phase === "idle" && !readsFirst && !expectsEnd) return [takeOver(rules, shared, worker, endOf(shared))]
  if (worker.phase === "idle") {
    const reader: Worker = { ...idleWorker, kept: worker.kept, ...endOf(shared), phase: "begun", ahead: 0 }
    return [{ name: "reads the chain", shared: headsLeftOnTheirWay(shared, worker), worker: reader }]
  }
  if (worker.phase !== "begun") return []
  if (expectsEnd && worker.ahead < 0) return [over(rules, shared, worker, "has its take-over refused")]
  const { reached, written, epochHeads } = worker
  return [takeOver(rules, shared, worker, { reached, written, epochHeads })]
}

const readManifest: WorkerSteps = (_rules, shared, worker) => {
  if (worker.phase !== "taken") return []
  const { manifest, older } = shared.heads
  const read = (found: Manifest): WorkerStep => ({
    name: `reads manifest ${found.revision}`,
    shared,
    worker: { ...worker, manifest: found, phase: "restoring" }
  })
  return [read(manifest), ...(older === undefined ? [] : asFault(shared, read(older)))]
}

/** Starts the consumer behind the position of the take-over record. */
const running = (worker: Worker, manifest: Manifest, table: PerUser<number>): Worker => ({
  ...worker,
  phase: "running",
  epochHeads: idleWorker.epochHeads,
  table,
  manifest,
  key: manifest.key,
  hinted: manifest.through,
  delivered: worker.reached,
  dispatched: worker.reached,
  decided: perUser(() => worker.reached)
})

/**
 * Reads the chain from its beginning. After a rebuild, the next blob has to be a base, so the manifest counts as empty.
 */
const rebuild = (shared: Shared, worker: Worker, { revision }: Manifest): WorkerStep => ({
  name: "rebuilds the heads from the chain",
  shared,
  worker: running(worker, { ...noManifest, revision }, worker.epochHeads)
})

/**
 * Returns the heads in the blobs of a manifest, and over them the heads of the later commits up to the take-over
 * record.
 */
const restoredTables = ({ mistakes }: Rules, shared: Shared, worker: Worker, manifest: Manifest) => {
  const found = readBlobs(shared.heads, manifest)
  const upTo = (ends: PerUser<number>) =>
    perUser((user) => (ends[user] > manifest.through[user] ? Math.max(ends[user], found[user]) : found[user]))
  const { epochHeads } = worker
  if (!mistakes.has("chain not read to its end")) return [upTo(epochHeads)]
  const without = (user: User) => ({ ...epochHeads, [user]: Math.max(0, epochHeads[user] - 1) })
  return [upTo(epochHeads), ...users.map((user) => upTo(without(user)))]
}

const restore: WorkerSteps = (rules, shared, worker) => {
  const { manifest, phase, ahead } = worker
  if (phase !== "restoring" || manifest === undefined) return []
  const newest = shared.heads.manifest
  if (lacksBlob(shared.heads, manifest) && !rules.mistakes.has("missing blob taken for an empty one")) {
    return manifest.revision === newest.revision
      ? [rebuild(shared, worker, manifest)]
      : [{ name: "misses a blob and reads the manifest again", shared, worker: { ...worker, manifest: newest } }]
  }
  const isOwner = ahead === 0
  const ends = headsOf(shared)
  return restoredTables(rules, shared, worker, manifest).map((table) => {
    const differs = (from: PerUser<number>) => isOwner && users.some((user) => table[user] !== from[user])
    if (rules.bounds.checksDigest === true && differs(shared.digest)) return rebuild(shared, worker, manifest)
    return {
      name: `restores the heads: ann ${table.ann}, bob ${table.bob}`,
      shared,
      worker: running(worker, manifest, table),
      breaks: differs(ends) ? "heads" : undefined
    }
  })
}

/**
 * Starts an epoch in this order: take-over record, manifest, blobs of the manifest, and the commits after these blobs.
 */
export const startEpoch: WorkerSteps = (rules, shared, worker) => [
  ...begin(rules, shared, worker),
  ...readManifest(rules, shared, worker),
  ...restore(rules, shared, worker)
]

/** Delivers messages in order, and skips purged input. The lack of a delivery number shows that a delivery was lost. */
export const receive: WorkerSteps = (rules, shared, worker) => {
  const sequence = Math.max(worker.delivered, shared.purged) + 1
  if (sequence > shared.stored) {
    return worker.hasGap ? [over(rules, shared, worker, "has delivered again what it lost")] : []
  }
  const lost = { ...worker, delivered: sequence, hasGap: true }
  const loss = asFault(shared, { name: `loses the delivery of ${sequence}`, shared, worker: lost })
  if (worker.hasGap && !rules.mistakes.has("deciding beyond a gap")) {
    return [...loss, over(rules, shared, worker, `sees a gap before ${sequence}`)]
  }
  const inHand = [...worker.inHand, sequence]
  const isEarly = rules.mistakes.has("acknowledged when received")
  return [
    ...loss,
    {
      name: `receives ${sequence}`,
      shared,
      worker: { ...worker, delivered: sequence, dispatched: sequence, hasGap: false, inHand },
      breaks: isEarly ? brokenByAcknowledgement(rules.script, shared, sequence) : undefined
    }
  ]
}

/** Lets a worker crash, or begin another epoch although nothing in the protocol asks for a new epoch. */
export const endings: WorkerSteps = (rules, shared, worker) =>
  worker.phase === "idle" && worker.job.length === 0 && users.every((user) => worker.kept[user] === undefined)
    ? []
    : [
        ...asFault(shared, { ...over(rules, shared, worker, "crashes"), worker: idleWorker }),
        ...(worker.phase === "running" && rules.mistakes.has("accounts kept across an epoch")
          ? asFault(shared, over(rules, shared, worker, "begins anew"))
          : [])
      ]
