import { type Shared, users } from "./Chain.ts"
import { brokenByAnswer, expectedEntries } from "./Invariants.ts"
import type { Rules } from "./Rules.ts"
import {
  accountOf,
  isCommitting,
  mailbox,
  over,
  type Read,
  type Worker,
  type WorkerStep,
  type WorkerSteps
} from "./Worker.ts"

/** Returns the worker without its read. No commit in flight proves anything for the next read. */
const withoutRead = (worker: Worker): Worker => ({
  ...worker,
  read: undefined,
  inFlight: worker.inFlight && { ...worker.inFlight, proves: false }
})

const begin: WorkerSteps = ({ script }, shared, worker) =>
  shared.isReading || shared.readsLeft === 0
    ? []
    : users.map((user) => {
        const required = expectedEntries(script, user, shared.stored).length
        const read = {
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
          shared: { ...shared, isReading: true, readsLeft: shared.readsLeft - 1 },
          worker: { ...worker, read }
        }
      })

/** Returns the newest input: the newer of the leader's answer and the worker's own position. */
const newestInput = ({ mistakes }: Rules, { stored, purged }: Shared, { reached }: Worker, asked: number): number => {
  if (mistakes.has("read without barrier")) return 0
  const found = stored > purged ? Math.max(stored, asked) : asked
  return mistakes.has("read trusts a log without anything newer") ? found : Math.max(found, reached)
}

const look = (rules: Rules, shared: Shared, worker: Worker, read: Read): ReadonlyArray<WorkerStep> => {
  const account = accountOf(shared, worker, read.user)
  const isBusy = mailbox(rules, worker, read.user).length > 0 || isCommitting(worker, read.user)
  if (account === undefined || isBusy) return []
  const looked = { ...read, answer: account.entries, through: worker.dispatched }
  return [{ name: `looks at ${read.user}`, shared, worker: { ...worker, read: looked } }]
}

/**
 * Takes the leader's answer as the barrier. If newer input was dispatched after the look, the read looks at the account
 * again.
 */
const heldAgainst = (read: Read, newest: number): Read => ({
  ...read,
  // The leader has answered, so the question no longer matters.
  asked: 0,
  barrier: newest,
  answer: newest > read.through ? undefined : read.answer
})

/**
 * Checks ownership by a read. The leader must find no message of the chain after the newest message that this worker
 * knows or has in flight. CommitSteps.ts has the other check: a commit that was published after the barrier is
 * acknowledged.
 */
const check = (rules: Rules, shared: Shared, worker: Worker, read: Read): WorkerStep =>
  worker.ahead >= 0 || rules.mistakes.has("read without owner check")
    ? { name: "finds nothing newer on the chain", shared, worker: { ...worker, read: { ...read, isChecked: true } } }
    : over(rules, shared, worker, "finds that it is not the owner")

const proceed = (rules: Rules, shared: Shared, worker: Worker, read: Read): ReadonlyArray<WorkerStep> => {
  const { user, required, asked, barrier, answer, isChecked } = read
  const steps: Array<WorkerStep> = []
  if (answer === undefined) {
    if (barrier === undefined || worker.dispatched >= barrier) steps.push(...look(rules, shared, worker, read))
  } else if (asked === undefined) {
    const asking = { ...read, asked: worker.dispatched }
    steps.push({ name: "asks for newer input", shared, worker: { ...worker, read: asking } })
  } else if (barrier === undefined) {
    const newest = newestInput(rules, shared, worker, asked)
    const name = `learns that the newest input is ${newest}`
    steps.push({ name, shared, worker: { ...worker, read: heldAgainst(read, newest) } })
  }
  const mayCheck = barrier !== undefined || rules.mistakes.has("owner checked before the barrier")
  if (!isChecked && mayCheck && rules.bounds.ownerCheck !== "commit") steps.push(check(rules, shared, worker, read))
  if (barrier === undefined || answer === undefined || !isChecked) return steps
  return [
    {
      name: `answers with ${answer.length} purchases of ${user}`,
      shared: { ...shared, isReading: false },
      worker: withoutRead(worker),
      breaks: brokenByAnswer(shared, user, required, answer)
    }
  ]
}

/**
 * Reads in steps: a look, the barrier after it, and the check of ownership. The client may stop waiting at any step.
 */
export const read: WorkerSteps = (rules, shared, worker) => {
  if (worker.read === undefined) return begin(rules, shared, worker)
  const left = { ...shared, isReading: false }
  const forgotten = { name: "is waited for no longer", shared: left, worker: withoutRead(worker), fault: true }
  return [...proceed(rules, shared, worker, worker.read), forgotten]
}
