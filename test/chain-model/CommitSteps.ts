import {
  append,
  headsOf,
  idOf,
  isRefused,
  isReversal,
  type PerUser,
  perUser,
  purchaseAt,
  refusalName,
  type Revision,
  type Shared,
  type User,
  users
} from "./Chain.ts"
import { brokenByAcknowledgement, positionGoesBack } from "./Invariants.ts"
import type { Rules } from "./Rules.ts"
import {
  accountOf,
  asFault,
  chainGrown,
  type InFlight,
  isCommitting,
  leftOnItsWay,
  loadedAccount,
  mailbox,
  over,
  segmentName,
  type Worker,
  type WorkerStep,
  type WorkerSteps
} from "./Worker.ts"

/** An account seals its ids at this many unsealed ids. */
const unsealedMax = 1

interface Decision {
  /** The revision to write; `undefined` if the decision leaves nothing to write. */
  readonly revision: Revision | undefined
  /** The names of the rejected records of refused reversals. */
  readonly refusals: ReadonlyArray<string>
}

const nothingDecided: Decision = { revision: undefined, refusals: [] }

/** Decides as src/account/Account.ts does. */
const decide = (
  { script, mistakes }: Rules,
  user: User,
  account: Revision,
  deliveries: ReadonlyArray<number>
): Decision => {
  const contentOf = (sequence: number) => purchaseAt(script, user, sequence) ?? ""
  const lacksSet = mistakes.has("set not loaded")
  const known = new Map((lacksSet ? [] : account.entries).map(contentOf).map((content) => [idOf(content), content]))
  const lacksReversed = mistakes.has("reversed pieces not loaded")
  const counting = [...known.values()].filter((content) => !lacksReversed || !isReversal(content))
  const before = mistakes.has("decidedThrough not loaded") ? 0 : account.decidedThrough
  const adds: Array<number> = []
  const rejected: Array<string> = []
  const refusals: Array<string> = []
  let { repeats, decidedThrough } = account
  for (const sequence of deliveries) {
    if (lacksSet && sequence <= before) continue
    const delivered = contentOf(sequence)
    const content = known.get(idOf(delivered))
    if (content === undefined && isReversal(delivered) && sequence <= before) continue
    if (content === undefined && isReversal(delivered) && isRefused(counting, delivered)) {
      refusals.push(refusalName(user, sequence))
    } else if (content === undefined) {
      adds.push(sequence)
      known.set(idOf(delivered), delivered)
      counting.push(delivered)
    } else if (mistakes.has("repeats passed over")) {
      continue
    } else if (sequence > before) {
      repeats += 1
      if (content !== delivered) rejected.push(`rejected ${sequence} ${user}`)
    }
    decidedThrough = Math.max(decidedThrough, sequence)
  }
  if (adds.length === 0 && repeats === account.repeats) return { revision: undefined, refusals }
  const isFull = account.entries.length - account.sealed >= unsealedMax
  const sealed = isFull ? account.entries.length : account.sealed
  const segment = sealed === 0 ? [] : [segmentName(user, account.entries.slice(0, sealed))]
  const entries = [...account.entries, ...adds]
  return { revision: { adds, entries, sealed, decidedThrough, repeats, refers: [...segment, ...rejected] }, refusals }
}

/** Returns the messages in hand before the first message that has an undecided part. */
const finishedMessages = (worker: Worker, isOpen: (sequence: number) => boolean) => {
  const firstOpen = worker.inHand.findIndex(isOpen)
  return firstOpen < 0 ? worker.inHand : worker.inHand.slice(0, firstOpen)
}

/** Publishes a commit after the records that it names are written. */
const sent = ({ bounds, mistakes }: Rules, shared: Shared, worker: Worker, inFlight: InFlight): InFlight => {
  const isMissing = (line: Revision | undefined) => line?.refers.some((name) => !shared.written.includes(name))
  const waits =
    !mistakes.has("segment written after its commit") && users.some((user) => isMissing(inFlight.lines[user]))
  if (waits) return { ...inFlight, outcome: "preparing" }
  const proves = mistakes.has("proof by a commit from before the barrier")
    ? worker.read !== undefined
    : worker.read?.barrier !== undefined
  return { ...inFlight, outcome: "open", proves: proves && bounds.ownerCheck !== "read" }
}

const withWritten = (shared: Shared, name: string): Shared => ({ ...shared, written: [...shared.written, name].sort() })

/**
 * Makes one commit of the decisions about the first `taken` messages of the mailboxes. The records of refused reversals
 * are written before the commit.
 */
const propose = (rules: Rules, shared: Shared, worker: Worker, taken: PerUser<number>): ReadonlyArray<WorkerStep> => {
  const deliveries = perUser((user) => mailbox(rules, worker, user).slice(0, taken[user]))
  const decisions = perUser((user) => {
    const account = taken[user] === 0 ? undefined : accountOf(shared, worker, user)
    return account === undefined ? nothingDecided : decide(rules, user, account, deliveries[user])
  })
  const refusals = users.flatMap((user) => decisions[user].refusals)
  const unrecorded = refusals.find((name) => !shared.written.includes(name))
  if (unrecorded !== undefined && !rules.mistakes.has("refusal not recorded")) {
    return [{ name: `writes ${unrecorded}`, shared: withWritten(shared, unrecorded), worker }]
  }
  const lines = perUser((user) => decisions[user].revision)
  const proposed = { ...worker, decided: perUser((user) => deliveries[user].at(-1) ?? worker.decided[user]) }
  const openUsers = (sequence: number) => users.filter((user) => mailbox(rules, proposed, user).includes(sequence))
  const usersOf = (sequence: number) => users.filter((user) => purchaseAt(rules.script, user, sequence) !== undefined)
  const finished = finishedMessages(worker, (sequence) => openUsers(sequence).length > 0)
  const passed = rules.mistakes.has("position advanced with a part")
    ? finishedMessages(worker, (sequence) => openUsers(sequence).length === usersOf(sequence).length)
    : finished
  const reached = finished.at(-1) ?? worker.reached
  const position = passed.at(-1) ?? worker.reached
  const next = { ...proposed, reached, inHand: worker.inHand.slice(finished.length) }
  const about = users.filter((user) => taken[user] > 0).map((user) => `${user} through ${proposed.decided[user]}`)
  if (lines.ann === undefined && lines.bob === undefined && position <= worker.written) {
    if (about.length === 0) return []
    return [{ name: `passes over ${about.join(", ")}`, shared, worker: next }]
  }
  const digest = perUser((user) => worker.table[user] + (lines[user] === undefined ? 0 : 1))
  const commit = { position, lines, digest, outcome: "preparing", heads: undefined, proves: false } as const
  const inFlight = sent(rules, shared, worker, commit)
  const isEarly = rules.mistakes.has("acknowledged when sent") && inFlight.outcome === "open"
  return [
    {
      name: `${inFlight.outcome === "open" ? "sends" : "prepares"} a commit: ${about.join(", ")}, position ${position}`,
      shared,
      worker: { ...next, inFlight },
      breaks: isEarly ? brokenByAcknowledgement(rules.script, shared, reached) : undefined
    }
  ]
}

/** Ends an epoch whose owner cannot read an account, because its head or a segment is missing. */
const inconsistent: WorkerSteps = (rules, shared, worker) =>
  users
    .filter((user) => mailbox(rules, worker, user).length > 0 && accountOf(shared, worker, user) === undefined)
    .map((user) => over(rules, shared, worker, `finds that ${user} is inconsistent`))

const proposals: WorkerSteps = (rules, shared, worker) => {
  const most = (user: User) => (accountOf(shared, worker, user) === undefined ? 0 : mailbox(rules, worker, user).length)
  const steps: Array<WorkerStep> = []
  for (let ann = 0; ann <= most("ann"); ann += 1) {
    for (let bob = 0; bob <= most("bob"); bob += 1) steps.push(...propose(rules, shared, worker, { ann, bob }))
  }
  return steps
}

/** Writes a segment or a rejected record. A record that was written before has the same content. */
const writeReference = (rules: Rules, shared: Shared, worker: Worker, inFlight: InFlight): WorkerStep => {
  const refers = users.flatMap((user) => inFlight.lines[user]?.refers ?? [])
  const missing = refers.find((name) => !shared.written.includes(name))
  if (missing === undefined) {
    return { name: "sends its commit", shared, worker: { ...worker, inFlight: sent(rules, shared, worker, inFlight) } }
  }
  return { name: `writes ${missing}`, shared: withWritten(shared, missing), worker }
}

const succeed = ({ mistakes }: Rules, worker: Worker, inFlight: InFlight): Worker => {
  const { lines, heads, position, proves } = inFlight
  const table = perUser((user) => {
    const known = worker.table[user]
    return lines[user] === undefined ? known : (heads?.[user] ?? known + 1)
  })
  const isStale = mistakes.has("account loaded while its commit is on its way")
  const kept = perUser((user) => {
    const account = worker.kept[user]
    return account === undefined || isStale ? account : (lines[user] ?? account)
  })
  const isLate = mistakes.has("proof by an acknowledgement after the barrier") && worker.read?.barrier !== undefined
  const read = worker.read === undefined || !(proves || isLate) ? worker.read : { ...worker.read, isChecked: true }
  return { ...worker, table, kept, read, written: position, inFlight: undefined }
}

/** A mistake: goes on as if the commit in flight were stored, and takes its revisions into the accounts in memory. */
const presume = (rules: Rules, worker: Worker, inFlight: InFlight, ahead: number): Worker => {
  const presumed = succeed(rules, worker, inFlight)
  return { ...presumed, ahead, kept: perUser((user) => inFlight.lines[user] ?? presumed.kept[user]) }
}

/** Gives up a commit whose answer did not come in time. The commit may be in flight or stored. */
const giveUp = (rules: Rules, shared: Shared, worker: Worker, inFlight: InFlight): WorkerStep => {
  const { mistakes } = rules
  const name = "gives the commit up"
  const left = leftOnItsWay(rules, shared, worker)
  if (mistakes.has("unknown taken for success")) {
    const breaks = brokenByAcknowledgement(rules.script, shared, worker.reached)
    return { name, shared: left, worker: presume(rules, worker, inFlight, 0), breaks }
  }
  const again: InFlight = { ...inFlight, outcome: "open", heads: undefined }
  if (mistakes.has("tried again behind the chain's new end")) {
    return {
      name: "tries again behind the chain's end",
      shared: left,
      worker: { ...worker, ahead: 0, inFlight: again }
    }
  }
  if (mistakes.has("tried again under the same expectation")) {
    const ahead = inFlight.outcome === "stored" ? worker.ahead - 1 : worker.ahead
    return { name: "tries again", shared: left, worker: { ...worker, ahead, inFlight: again } }
  }
  return over(rules, shared, worker, name)
}

const publish = (rules: Rules, shared: Shared, worker: Worker, inFlight: InFlight): WorkerStep => {
  if (worker.ahead !== 0 && !rules.mistakes.has("commit without expectation")) {
    return over(rules, shared, { ...worker, inFlight: undefined }, "is told that its commit was refused")
  }
  const after = chainGrown(rules, append(shared, inFlight))
  return {
    name: "has its commit stored",
    shared: after,
    worker: { ...worker, ahead: 0, inFlight: { ...inFlight, outcome: "stored", heads: headsOf(after) } },
    disowns: true,
    breaks: positionGoesBack(shared, after)
  }
}

const settle = (rules: Rules, shared: Shared, worker: Worker, inFlight: InFlight): WorkerStep => {
  switch (inFlight.outcome) {
    case "preparing":
      return writeReference(rules, shared, worker, inFlight)
    case "open":
      return publish(rules, shared, worker, inFlight)
    case "stored":
      return {
        name: `is told that its commit was stored, and acknowledges input through ${worker.reached}`,
        shared,
        worker: succeed(rules, worker, inFlight),
        breaks: brokenByAcknowledgement(rules.script, shared, worker.reached)
      }
  }
}

const isPipelined = (mistakes: Rules["mistakes"]) =>
  mistakes.has("next commit sent before the answer") || mistakes.has("next commit sent under the same expectation")

/**
 * A mistake: sends a second commit before the answer to the first. The second commit expects the sequence that the
 * first commit should get, or the same sequence as the first commit.
 */
const sendNext = (rules: Rules, shared: Shared, worker: Worker, inFlight: InFlight): ReadonlyArray<WorkerStep> => {
  if (inFlight.outcome !== "open" || shared.late.length > 0) return []
  const left = leftOnItsWay(rules, shared, worker)
  const isPredicted = rules.mistakes.has("next commit sent before the answer")
  const next = presume(rules, worker, inFlight, isPredicted ? worker.ahead + 1 : worker.ahead)
  return proposals(rules, left, next).filter((step) => step.worker.inFlight !== undefined)
}

/** A mistake: loads an account between a commit and its acknowledgement, and keeps that account in memory. */
const loadMeanwhile: WorkerSteps = (_rules, shared, worker) =>
  users
    .filter((user) => isCommitting(worker, user) && worker.kept[user] === undefined)
    .map((user) => ({
      name: `loads ${user} while its commit is on its way`,
      shared,
      worker: { ...worker, kept: { ...worker.kept, [user]: loadedAccount(shared, worker, user) } }
    }))

/**
 * Commits one at a time. A commit is prepared, sent, and stored or refused. The answer to a commit arrives or is lost.
 */
export const commit: WorkerSteps = (rules, shared, worker) => {
  const { inFlight } = worker
  if (inFlight === undefined) return [...proposals(rules, shared, worker), ...inconsistent(rules, shared, worker)]
  const { mistakes } = rules
  return [
    settle(rules, shared, worker, inFlight),
    ...(inFlight.outcome === "preparing" ? [] : asFault(shared, giveUp(rules, shared, worker, inFlight))),
    ...(isPipelined(mistakes) ? sendNext(rules, shared, worker, inFlight) : []),
    ...(mistakes.has("account loaded while its commit is on its way") ? loadMeanwhile(rules, shared, worker) : [])
  ]
}
