import { brokenByAnswer, distinctPurchases } from "./Invariants.ts"
import { type Ledger, users } from "./Ledger.ts"
import type { Rules } from "./Rules.ts"
import { isCommitting, mailbox, over, type Read, type Worker, type WorkerStep, type WorkerSteps } from "./Worker.ts"

const begin: WorkerSteps = ({ script }, ledger, worker) =>
  ledger.isReading || ledger.readsLeft === 0
    ? []
    : users.map((user) => {
        const required = distinctPurchases(script, user, ledger.stored).length
        const asked = { user, required, barrier: undefined, answer: undefined, through: 0, isChecked: false }
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

const look = (rules: Rules, ledger: Ledger, worker: Worker, read: Read): ReadonlyArray<WorkerStep> => {
  const account = worker.actors[read.user]
  if (account === undefined || mailbox(rules, worker, read.user).length > 0 || isCommitting(worker, read.user))
    return []
  const looked = { ...read, answer: account.entries, through: worker.dispatched }
  return [{ name: `looks at ${read.user}`, shared: ledger, worker: { ...worker, read: looked } }]
}

/**
 * Where something newer came than what was looked at: once more, when the actors have been given that. A log without a
 * message says nothing by itself, for what was in it may be applied and purged since the look.
 */
const heldAgainst = ({ mistakes }: Rules, worker: Worker, read: Read, last: number): Read => {
  if (mistakes.has("read without barrier")) return { ...read, barrier: 0 }
  const isTrusted = last > 0 || mistakes.has("read trusts an empty log")
  if (isTrusted && last <= read.through) return { ...read, barrier: last }
  const answer = Math.max(last, worker.dispatched) > read.through ? undefined : read.answer
  return { ...read, barrier: last, answer, isChecked: false }
}

const proceed = (rules: Rules, ledger: Ledger, worker: Worker, read: Read): ReadonlyArray<WorkerStep> => {
  const { user, required, barrier, answer, isChecked } = read
  if (answer === undefined) {
    return barrier === undefined || worker.dispatched >= barrier ? look(rules, ledger, worker, read) : []
  }
  const steps: Array<WorkerStep> = []
  if (barrier === undefined) {
    for (const sequence of lastSequences(rules, ledger)) {
      const name = `reads the last sequence ${sequence}`
      steps.push({ name, shared: ledger, worker: { ...worker, read: heldAgainst(rules, worker, read, sequence) } })
    }
  }
  if (!isChecked) {
    steps.push(
      worker.owns || rules.mistakes.has("read without owner check")
        ? { name: "is the owner still", shared: ledger, worker: { ...worker, read: { ...read, isChecked: true } } }
        : over(rules, ledger, worker, "finds that it is not the owner")
    )
  }
  if (barrier === undefined || !isChecked) return steps
  return [
    {
      name: `answers with ${answer.length} purchases of ${user}`,
      shared: { ...ledger, isReading: false },
      worker: { ...worker, read: undefined },
      breaks: brokenByAnswer(ledger, user, required, answer)
    }
  ]
}

/**
 * A look, and after it the end of the log and the owner's check in either order, as src/query/QueryServer.ts answers;
 * or the asker waits no longer.
 */
export const read: WorkerSteps = (rules, ledger, worker) => {
  if (worker.read === undefined) return begin(rules, ledger, worker)
  const shared = { ...ledger, isReading: false }
  const forgotten = { name: "is waited for no longer", shared, worker: { ...worker, read: undefined }, fault: true }
  return [...proceed(rules, ledger, worker, worker.read), forgotten]
}
