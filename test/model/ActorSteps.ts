import { positionGoesBack } from "./Invariants.ts"
import {
  type Account,
  type BatchContent,
  commit,
  type Ledger,
  purchaseAt,
  type User,
  users,
  type Write
} from "./Ledger.ts"
import type { Rules } from "./Rules.ts"
import {
  asFault,
  type InFlight,
  isCommitting,
  leftOnItsWay,
  mailbox,
  over,
  type Worker,
  type WorkerStep,
  type WorkerSteps
} from "./Worker.ts"

/** An actor loads its account when it is first needed; a question may wake it, so that is at any time. */
export const wake: WorkerSteps = ({ mistakes }, ledger, worker) =>
  users
    .filter((user) => worker.actors[user] === undefined)
    .flatMap((user) => {
      const { applied: _, older, ...newest } = ledger.accounts[user]
      return (older === undefined ? [newest] : [newest, older]).map((account) => {
        const loaded = mistakes.has("set not loaded") ? { ...account, seen: [], decidedThrough: 0 } : account
        const actors = { ...worker.actors, [user]: loaded }
        return { name: `wakes ${user} at revision ${loaded.revision}`, shared: ledger, worker: { ...worker, actors } }
      })
    })

export const passivate: WorkerSteps = (rules, ledger, worker) =>
  users
    .filter((user) => worker.actors[user] !== undefined)
    .filter((user) => mailbox(rules, worker, user).length === 0 && !isCommitting(worker, user))
    .flatMap((user) => {
      const actors = { ...worker.actors, [user]: undefined }
      return asFault(ledger, { name: `passivates ${user}`, shared: ledger, worker: { ...worker, actors } })
    })

/** The rules of an account, as src/domain/Account.ts has them; nothing when there is nothing to write. */
const decide = ({ script }: Rules, user: User, account: Account, deliveries: ReadonlyArray<number>) => {
  const idOf = (sequence: number) => purchaseAt(script, user, sequence)?.slice(0, 1)
  const known = new Set(account.seen.map(idOf))
  const adds: Array<number> = []
  let { repeats, decidedThrough } = account
  for (const sequence of deliveries) {
    if (!known.has(idOf(sequence))) adds.push(sequence)
    else if (sequence > account.decidedThrough) repeats += 1
    known.add(idOf(sequence))
    decidedThrough = Math.max(decidedThrough, sequence)
  }
  if (adds.length === 0 && repeats === account.repeats) return undefined
  const entries = [...account.entries, ...adds]
  const seen = [...account.seen, ...adds]
  const decided = { revision: account.revision + 1, entries, seen, decidedThrough, repeats }
  return { user, part: "both", expected: account.revision, adds, account: decided } satisfies Write
}

/** The batches in which a group is written: one, but for the mistakes. */
const batchesOf = (
  { mistakes }: Rules,
  writes: ReadonlyArray<Write>,
  position: number
): ReadonlyArray<BatchContent> => {
  const sets = writes.map((write) => ({ ...write, part: "set" as const }))
  const accounts = writes.map((write) => ({ ...write, part: "account" as const }))
  if (writes.length > 0) {
    if (mistakes.has("position before accounts"))
      return [
        { writes: [], position },
        { writes, position: undefined }
      ]
    if (mistakes.has("set after account"))
      return [
        { writes: accounts, position: undefined },
        { writes: sets, position }
      ]
    if (mistakes.has("set before account"))
      return [
        { writes: sets, position: undefined },
        { writes: accounts, position }
      ]
  }
  return [{ writes, position }]
}

/**
 * Sends one batch with what the actors decide about the first `taken` messages of their mailboxes. Deciding depends on
 * what the actor holds alone, so it needs no step of its own before that.
 */
const propose = (
  rules: Rules,
  ledger: Ledger,
  worker: Worker,
  taken: Readonly<Record<User, number>>,
  alone = false
): WorkerStep => {
  const writes: Array<Write> = []
  const decided = { ...worker.decided }
  for (const user of users) {
    const deliveries = mailbox(rules, worker, user).slice(0, taken[user])
    const account = worker.actors[user]
    const write = account === undefined ? undefined : decide(rules, user, account, deliveries)
    if (write !== undefined) writes.push(write)
    decided[user] = deliveries.at(-1) ?? decided[user]
  }
  const proposed = { ...worker, decided }
  const isOpen = (sequence: number) => users.some((user) => mailbox(rules, proposed, user).includes(sequence))
  const firstOpen = worker.inHand.findIndex(isOpen)
  const finished = firstOpen < 0 ? worker.inHand : worker.inHand.slice(0, firstOpen)
  const reached = finished.at(-1) ?? worker.reached
  const [first = { writes, position: reached }, ...after] = alone
    ? [{ writes: writes.map((write) => ({ ...write, expected: undefined })), position: undefined }]
    : batchesOf(rules, writes, reached)
  const accountOf = (user: User) => writes.find((write) => write.user === user)?.account
  const evolved = { ann: accountOf("ann"), bob: accountOf("bob") }
  const inFlight: InFlight = { ...first, guardHolds: worker.owns, outcome: "open", after, evolved }
  const about = users.filter((user) => taken[user] > 0).map((user) => `${user} through ${decided[user]}`)
  return {
    name: alone ? `sends ${about.join()} alone` : `sends a batch: ${about.join(", ")}, position ${reached}`,
    shared: ledger,
    worker: { ...proposed, reached, inHand: worker.inHand.slice(finished.length), inFlight }
  }
}

const proposals: WorkerSteps = (rules, ledger, worker) => {
  const most = (user: User) => (worker.actors[user] === undefined ? 0 : mailbox(rules, worker, user).length)
  const steps: Array<WorkerStep> = []
  for (let ann = 0; ann <= most("ann"); ann += 1) {
    for (let bob = 0; bob <= most("bob"); bob += 1) {
      if (ann + bob === 0) continue
      steps.push(propose(rules, ledger, worker, { ann, bob }))
      if ((ann === 0 || bob === 0) && rules.bounds.batchesOnly !== true)
        steps.push(propose(rules, ledger, worker, { ann, bob }, true))
    }
  }
  return worker.reached > worker.written ? [...steps, sendPosition(ledger, worker)] : steps
}

/** Writes that stood alone are followed by the position, under the same guard. */
const sendPosition = (ledger: Ledger, worker: Worker): WorkerStep => {
  const evolved = { ann: undefined, bob: undefined }
  const content = { writes: [], position: worker.reached, after: [], evolved }
  return {
    name: `sends position ${worker.reached}`,
    shared: ledger,
    worker: { ...worker, inFlight: { ...content, guardHolds: worker.owns, outcome: "open" } }
  }
}

const succeed = (worker: Worker, inFlight: InFlight): Worker => {
  const { evolved, position } = inFlight
  const [next, ...after] = inFlight.after
  if (next !== undefined) {
    return { ...worker, inFlight: { ...next, guardHolds: worker.owns, outcome: "open", after, evolved } }
  }
  const actors = { ann: evolved.ann ?? worker.actors.ann, bob: evolved.bob ?? worker.actors.bob }
  return { ...worker, actors, written: position ?? worker.written, inFlight: undefined }
}

const giveUp = (rules: Rules, ledger: Ledger, worker: Worker, inFlight: InFlight): WorkerStep => {
  const name = "gives the batch up"
  const shared = leftOnItsWay(rules, ledger, worker)
  if (rules.mistakes.has("unknown taken for success")) return { name, shared, worker: succeed(worker, inFlight) }
  if (!rules.mistakes.has("tried again in the epoch")) return over(rules, ledger, worker, name)
  return { name, shared, worker: { ...worker, inFlight: { ...inFlight, outcome: "open" } } }
}

const settle = (rules: Rules, ledger: Ledger, worker: Worker, inFlight: InFlight): WorkerStep => {
  switch (inFlight.outcome) {
    case "open": {
      const committed = commit(ledger, inFlight, rules.broker)
      const outcome = committed === undefined ? "refused" : "applied"
      return {
        name: `has its batch ${outcome}`,
        shared: committed ?? ledger,
        worker: { ...worker, inFlight: { ...inFlight, outcome } },
        breaks: positionGoesBack(ledger, committed)
      }
    }
    case "applied":
      return { name: "is told that it was applied", shared: ledger, worker: succeed(worker, inFlight) }
    case "refused":
      return over(rules, ledger, worker, "is told that it was refused")
  }
}

/** One batch at a time, as src/ledger/Journal.ts commits: sent, applied or refused, and the answer told or not. */
export const write: WorkerSteps = (rules, ledger, worker) => {
  const { inFlight } = worker
  if (inFlight === undefined) return proposals(rules, ledger, worker)
  return [settle(rules, ledger, worker, inFlight), ...asFault(ledger, giveUp(rules, ledger, worker, inFlight))]
}
