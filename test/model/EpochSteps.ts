import { users } from "./Ledger.ts"
import { asFault, idleWorker, over, ownerWritten, type Worker, type WorkerStep, type WorkerSteps } from "./Worker.ts"

/** Owner, then position, then a consumer of its own: as src/partition/PartitionEpoch.ts begins. */
export const takeOver: WorkerSteps = (rules, ledger, worker) => {
  const writeOwner = (phase: Worker["phase"]): WorkerStep => ({
    name: "writes the owner",
    shared: ownerWritten(rules, ledger),
    worker: { ...worker, phase, owns: true },
    disowns: true
  })
  const readPosition = (phase: Worker["phase"]): WorkerStep => ({
    name: `reads position ${ledger.position}`,
    shared: ledger,
    worker: { ...worker, phase, reached: ledger.position, written: ledger.position }
  })
  const createConsumer = (): WorkerStep => {
    const from = worker.reached
    const decided = { ann: from, bob: from }
    return {
      name: `creates a consumer behind ${from}`,
      shared: ledger,
      worker: { ...worker, phase: "running", delivered: from, dispatched: from, decided }
    }
  }
  const isReversed = rules.mistakes.has("position read before owner")
  switch (worker.phase) {
    case "idle":
      return [isReversed ? readPosition("begun") : writeOwner("begun")]
    case "begun":
      return [isReversed ? writeOwner("ready") : readPosition("ready")]
    case "ready":
      return [createConsumer()]
    case "running":
      return []
  }
}

/** Deliveries come in order, and skip what is purged; one that was lost shows in the number of the next. */
export const receive: WorkerSteps = (rules, ledger, worker) => {
  const sequence = Math.max(worker.delivered, ledger.purged) + 1
  if (sequence > ledger.stored) {
    return worker.hasGap ? [over(rules, ledger, worker, "has delivered again what it lost")] : []
  }
  const lost = { ...worker, delivered: sequence, hasGap: true }
  const loss = asFault(ledger, { name: `loses the delivery of ${sequence}`, shared: ledger, worker: lost })
  if (worker.hasGap && !rules.mistakes.has("deciding beyond a gap")) {
    return [...loss, over(rules, ledger, worker, `sees a gap before ${sequence}`)]
  }
  const inHand = [...worker.inHand, sequence]
  const received = { ...worker, delivered: sequence, dispatched: sequence, hasGap: false, inHand }
  return [...loss, { name: `receives ${sequence}`, shared: ledger, worker: received }]
}

/** A worker that dies, and one that leaves its epoch for any other reason than it must. */
export const endings: WorkerSteps = (rules, ledger, worker) =>
  worker.phase === "idle" && users.every((user) => worker.actors[user] === undefined)
    ? []
    : [
        ...asFault(ledger, { ...over(rules, ledger, worker, "crashes"), worker: idleWorker }),
        ...(worker.phase === "running" ? asFault(ledger, over(rules, ledger, worker, "begins anew")) : [])
      ]
