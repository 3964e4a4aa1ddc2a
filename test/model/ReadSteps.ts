import { brokenByAnswer, distinctPurchases } from "./Invariants.ts"
import { type Ledger, users } from "./Ledger.ts"
import type { Rules } from "./Rules.ts"
import { isCommitting, mailbox, over, type Read, type Worker, type WorkerStep, type WorkerSteps } from "./Worker.ts"

const begin: WorkerSteps = ({ script }, ledger, worker) =>
  ledger.isReading || ledger.readsLeft === 0
    ? []
    : users.map((user) => {
        const required = distinctPurchases(script, user, ledger.stored).length
        const asked = {
          user,
          required,
          asked: undefined,
          barrier: undefined,
          answer: undefined,
          through: 0,
          isChecked: false
        }
        return {
          name: `is asked for ${user}`,
          shared: { ...ledger, isReading: true, readsLeft: ledger.readsLeft - 1 },
          worker: { ...worker, read: asked }
        }
      })

/** The newest input: what the log has after what was asked for, or else that and the worker's own position. */
const newestInputs = (
  { mistakes }: Rules,
  { stored, purged }: Ledger,
  { reached }: Worker,
  asked: number
): ReadonlyArray<number> => {
  if (mistakes.has("read without barrier")) return [0]
  const found = stored > purged ? Math.max(stored, asked) : asked
  const newest = mistakes.has("read trusts a log without anything newer") ? found : Math.max(found, reached)
  return mistakes.has("newest input from a replica") && newest > asked ? [newest, newest - 1] : [newest]
}

const look = (rules: Rules, ledger: Ledger, worker: Worker, read: Read): ReadonlyArray<WorkerStep> => {
  const account = worker.actors[read.user]
  if (account === undefined || mailbox(rules, worker, read.user).length > 0 || isCommitting(worker, read.user))
    return []
  const looked = { ...read, answer: account.entries, through: worker.dispatched }
  return [{ name: `looks at ${read.user}`, shared: ledger, worker: { ...worker, read: looked } }]
}

/** Where something newer came than what was looked at: once more, when the actors have been given that. */
const heldAgainst = (read: Read, newest: number): Read => ({
  ...read,
  // What was asked does not matter any more.
  asked: 0,
  barrier: newest,
  answer: newest > read.through ? undefined : read.answer
})

const proceed = (rules: Rules, ledger: Ledger, worker: Worker, read: Read): ReadonlyArray<WorkerStep> => {
  const { user, required, asked, barrier, answer, isChecked } = read
  if (answer === undefined) {
    return barrier === undefined || worker.dispatched >= barrier ? look(rules, ledger, worker, read) : []
  }
  const steps: Array<WorkerStep> = []
  if (asked === undefined) {
    const asking = { ...read, asked: worker.dispatched }
    steps.push({ name: "asks for newer input", shared: ledger, worker: { ...worker, read: asking } })
  } else if (barrier === undefined) {
    for (const newest of newestInputs(rules, ledger, worker, asked)) {
      const name = `learns that the newest input is ${newest}`
      steps.push({ name, shared: ledger, worker: { ...worker, read: heldAgainst(read, newest) } })
    }
  }
  // What is applied elsewhere may be purged from the log, so that only a check after it says that nothing is.
  if (!isChecked && (barrier !== undefined || rules.mistakes.has("owner checked before the log is read"))) {
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
 * A look, the newest input after it, and then the owner's check, as src/query/QueryServer.ts answers; or the asker waits
 * no longer.
 */
export const read: WorkerSteps = (rules, ledger, worker) => {
  if (worker.read === undefined) return begin(rules, ledger, worker)
  const shared = { ...ledger, isReading: false }
  const forgotten = { name: "is waited for no longer", shared, worker: { ...worker, read: undefined }, fault: true }
  return [...proceed(rules, ledger, worker, worker.read), forgotten]
}
