import { brokenByAnswer, distinctPurchases } from "./Invariants.ts"
import { type Ledger, users } from "./Ledger.ts"
import type { Rules } from "./Rules.ts"
import { isCommitting, mailbox, over, type Read, type Worker, type WorkerStep, type WorkerSteps } from "./Worker.ts"

const begin: WorkerSteps = ({ script }, ledger, worker) =>
  ledger.isReading || ledger.readsLeft === 0
    ? []
    : users.map((user) => {
        const required = distinctPurchases(script, user, ledger.stored).length
        const asked = { user, required, barrier: undefined, answer: undefined }
        return {
          name: `is asked for ${user}`,
          shared: { ...ledger, isReading: true, readsLeft: ledger.readsLeft - 1 },
          worker: { ...worker, read: asked }
        }
      })

const lastSequences = ({ mistakes }: Rules, { stored, purged }: Ledger): ReadonlyArray<number> => {
  if (mistakes.has("read without barrier")) return [0]
  const last = stored > purged ? stored : 0
  return mistakes.has("last sequence from a replica") && last > 0 ? [last, last - 1] : [last]
}

const proceed = (rules: Rules, ledger: Ledger, worker: Worker, read: Read): ReadonlyArray<WorkerStep> => {
  const { user, required, barrier, answer } = read
  if (barrier === undefined) {
    return lastSequences(rules, ledger).map((sequence) => ({
      name: `reads the last sequence ${sequence}`,
      shared: ledger,
      worker: { ...worker, read: { ...read, barrier: sequence } }
    }))
  }
  if (answer === undefined) {
    const account = worker.actors[user]
    const isBehind = mailbox(rules, worker, user).some((sequence) => sequence <= barrier)
    if (account === undefined || worker.dispatched < barrier || isBehind || isCommitting(worker, user)) return []
    const looked = { ...read, answer: account.entries }
    return [{ name: `looks at ${user}`, shared: ledger, worker: { ...worker, read: looked } }]
  }
  if (!worker.owns && !rules.mistakes.has("read without owner check")) {
    return [over(rules, ledger, worker, "finds that it is not the owner")]
  }
  return [
    {
      name: `answers with ${answer.length} purchases of ${user}`,
      shared: { ...ledger, isReading: false },
      worker: { ...worker, read: undefined },
      breaks: brokenByAnswer(ledger, user, required, answer)
    }
  ]
}

/** Barrier, actor, owner's check, as src/query/QueryServer.ts answers; or the asker waits no longer. */
export const read: WorkerSteps = (rules, ledger, worker) => {
  if (worker.read === undefined) return begin(rules, ledger, worker)
  const shared = { ...ledger, isReading: false }
  const forgotten = { name: "is waited for no longer", shared, worker: { ...worker, read: undefined }, fault: true }
  return [...proceed(rules, ledger, worker, worker.read), forgotten]
}
