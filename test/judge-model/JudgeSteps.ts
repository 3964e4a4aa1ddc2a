import { isAccepted, type Place, type Shared, store, type Write } from "./AlertStream.ts"
import { brokenByWrite, shardOf } from "./Invariants.ts"
import { asFault, idleJudge, type Judge, type JudgeStep, type JudgeSteps, over, type Rules, start } from "./Judge.ts"
import {
  type AlertMessage,
  countBefore,
  isCommit,
  judged,
  type Placed,
  type PerUser,
  purchasesThrough,
  type RuleName,
  rulesAfter,
  upTo
} from "./Ledger.ts"

const shardsOf = ({ bounds }: Rules): number => bounds.shards ?? 1

/** Returns the place before the first value of rules; `undefined` while the ledger has no value of rules. */
const firstPlace = ({ script, mistakes }: Rules, { stored }: Shared): Place | undefined => {
  const first = script.slice(0, stored).findIndex((entry) => !isCommit(entry))
  if (first < 0) return undefined
  return { ...start, through: mistakes.has("first position at the end of the ledger") ? stored : first }
}

/** Reads the position of a shard from the leader. Two judges that both want a shard read the same position. */
const readPosition: JudgeSteps = (rules, shared, judge) => {
  if (judge.phase !== "idle") return []
  const canTurn = rules.mistakes.has("owners in another order") || rules.mistakes.has("another hash of users")
  return shared.positions.flatMap((position, shard) => {
    const at = position?.place ?? firstPlace(rules, shared)
    if (at === undefined) return []
    return (canTurn ? [false, true] : [false]).map((isTurned) => ({
      name: `reads position ${shard}: ${at.through}.${at.messages}${isTurned ? ", and is turned" : ""}`,
      shared,
      worker: { ...judge, phase: "placed", shard, expected: position, at, isTurned }
    }))
  })
}

/** Reads the rules as of the position, and starts the consumer behind the position. */
const readRules: JudgeSteps = ({ mistakes }, shared, judge) => {
  if (judge.phase !== "placed") return []
  const { through } = judge.at
  const rulesAt = mistakes.has("rules as they are now") ? shared.stored : through
  const worker: Judge = { ...judge, phase: "running", rulesAt, delivered: through, rulesDelivered: rulesAt }
  return [{ name: `reads the rules as of ${rulesAt}`, shared, worker }]
}

/** Delivers the entries of the ledger in order. A missing delivery number shows the judge a lost delivery. */
const receive: JudgeSteps = (rules, shared, judge) => {
  const sequence = judge.delivered + 1
  if (sequence > shared.stored)
    return judge.hasGap ? [over(rules, shared, judge, "hears nothing, and begins anew")] : []
  const isIgnored = rules.mistakes.has("gap ignored")
  const lost: Judge = isIgnored
    ? { ...judge, delivered: sequence, missed: [...judge.missed, sequence] }
    : { ...judge, hasGap: true }
  const loss = judge.hasGap ? [] : asFault(shared, { name: `loses the delivery of ${sequence}`, shared, worker: lost })
  if (judge.hasGap) return [over(rules, shared, judge, `sees a gap at ${sequence}`)]
  return [...loss, { name: `receives ${sequence}`, shared, worker: { ...judge, delivered: sequence } }]
}

/** Delivers the next value of rules from a second consumer, which only a judge with a planted mistake has. */
const receiveRules: JudgeSteps = ({ script, mistakes }, shared, judge) => {
  if (!mistakes.has("rules and commits from two consumers")) return []
  const next = script.findIndex((entry, at) => at >= judge.rulesDelivered && !isCommit(entry)) + 1
  if (next === 0 || next > shared.stored) return []
  return [{ name: `receives the rules of ${next}`, shared, worker: { ...judge, rulesDelivered: next } }]
}

/** Returns the rules by which a judge judges a commit. */
const rulesFor = ({ script, mistakes }: Rules, judge: Judge, sequence: number): ReadonlyArray<RuleName> => {
  if (mistakes.has("rules and commits from two consumers")) return rulesAfter(script, upTo(judge.rulesDelivered))
  const known = upTo(Math.max(judge.rulesAt, sequence))
  return rulesAfter(
    script,
    known.filter((one) => !judge.missed.includes(one))
  )
}

interface Fold {
  readonly alerts: ReadonlyArray<AlertMessage>
  readonly to: Place
  readonly counts: PerUser<number | undefined>
  /** Whether each count that the judge used was right. */
  readonly isCounted: boolean
}

const isJudgedHere = (rules: Rules, judge: Judge, { user, sequence }: Placed): boolean => {
  const shards = shardsOf(rules)
  const isTurned = judge.isTurned && rules.mistakes.has("another hash of users")
  const shard = isTurned ? shards - 1 - shardOf(user, shards) : shardOf(user, shards)
  return shard === judge.shard && !judge.missed.includes(sequence)
}

/** Judges one purchase, and adds the messages with its alerts. */
const foldPurchase = (rules: Rules, judge: Judge, fold: Fold, placed: Placed): Fold => {
  const { mistakes, script } = rules
  const { user, sequence } = placed
  const rightCount = countBefore(script, placed)
  const count = fold.counts[user] ?? rightCount
  const messages = judged(placed, rulesFor(rules, judge, sequence), count)
  const isTurned = judge.isTurned && mistakes.has("owners in another order")
  const keeps = mistakes.has("windows kept after a refused write")
  return {
    ...fold,
    alerts: [...fold.alerts, ...(isTurned ? messages.toReversed() : messages)],
    counts: keeps ? { ...fold.counts, [user]: count + 1 } : fold.counts,
    isCounted: fold.isCounted && count === rightCount
  }
}

/** Judges one entry of the ledger, and takes as many messages of the entry as the batch has room for. */
const foldEntry = (rules: Rules, judge: Judge, fold: Fold, sequence: number, messagesMax: number): Fold => {
  let whole: Fold = { ...fold, alerts: [] }
  for (const placed of purchasesThrough(rules.script, sequence)) {
    const isHere = placed.sequence === sequence && isJudgedHere(rules, judge, placed)
    if (isHere) whole = foldPurchase(rules, judge, whole, placed)
  }
  const before = rules.mistakes.has("written messages ignored") ? 0 : fold.to.messages
  const written = whole.alerts.slice(before, before + messagesMax - fold.alerts.length)
  const messages = before + written.length
  const isWhole = messages >= whole.alerts.length
  return {
    ...whole,
    alerts: [...fold.alerts, ...written],
    to: isWhole ? { through: sequence, messages: 0 } : { through: sequence - 1, messages },
    counts: isWhole ? whole.counts : fold.counts
  }
}

/** Judges the delivered entries one by one, until the last entry is judged or a batch is full. */
const foldEntries = (rules: Rules, judge: Judge, messagesMax: number): Fold => {
  let fold: Fold = { alerts: [], to: judge.at, counts: judge.counts, isCounted: true }
  while (fold.to.through < judge.delivered) {
    const { through } = fold.to
    fold = foldEntry(rules, judge, fold, through + 1, messagesMax)
    if (fold.to.through === through) break
  }
  return fold
}

/** Returns the writes of a fold: one atomic batch, unless a planted mistake splits the batch. */
const writesOf = ({ mistakes }: Rules, judge: Judge, { alerts, to }: Fold): ReadonlyArray<Write> => {
  const { shard, expected } = judge
  const isConditional = !mistakes.has("position without expectation")
  const batch: Write = { shard, alerts, place: to, isConditional, expected: isConditional ? expected : undefined }
  const position: Write = { ...batch, alerts: [] }
  const messages: Write = { shard, alerts, place: undefined, isConditional: false, expected: undefined }
  if (alerts.length === 0) return [batch]
  if (mistakes.has("position written before the alerts")) return [position, messages]
  return mistakes.has("position written after the alerts") ? [messages, position] : [batch]
}

const propose: JudgeSteps = (rules, shared, judge) => {
  if (judge.writes.length > 0 || judge.hasGap || judge.delivered === judge.at.through) return []
  const proposals = rules.bounds.messagesMax.map((messagesMax): JudgeStep => {
    const fold = foldEntries(rules, judge, messagesMax)
    const { to, counts, isCounted } = fold
    const about = fold.alerts.map(({ owner, purchase }) => `${owner} of "${purchase}"`).join(", ") || "nobody"
    return {
      name: `tells ${about}, position ${to.through}.${to.messages}`,
      shared,
      worker: { ...judge, writes: writesOf(rules, judge, fold), to, counts },
      breaks: isCounted ? undefined : "A7"
    }
  })
  return proposals.filter(({ name }, at) => proposals.findIndex((one) => one.name === name) === at)
}

/** Lets the judge's first write arrive at the broker. */
const arrive: JudgeSteps = (rules, shared, judge) => {
  const [write] = judge.writes
  if (write === undefined || judge.isStored) return []
  if (!isAccepted(shared, write)) return [over(rules, shared, judge, "has its write refused")]
  const after = store(shared, write)
  return [
    {
      name: "has its write stored",
      shared: after,
      worker: { ...judge, isStored: true, storedAs: after.positions[write.shard] },
      breaks: brokenByWrite(shared, write)
    }
  ]
}

/** Returns the state of a judge after the answer that its first write is stored. */
const answered = (judge: Judge, storedAs: Judge["storedAs"]): Judge => {
  const [write, ...writes] = judge.writes
  const expected = write?.place === undefined ? judge.expected : storedAs
  const settled = { ...judge, expected, writes, isStored: false, storedAs: undefined }
  return writes.length > 0 ? settled : { ...settled, at: judge.to, to: start }
}

/** Makes the judge stop waiting for an answer. The judge treats an unknown outcome like a refusal. */
const unknown = (rules: Rules, shared: Shared, judge: Judge): JudgeStep => {
  const name = "gets no answer to its write"
  const left = over(rules, shared, judge, name).shared
  if (rules.mistakes.has("unknown taken for success")) {
    return { name, shared: left, worker: answered(judge, shared.positions[judge.shard]) }
  }
  if (rules.mistakes.has("tried again under the same expectation")) {
    return { name, shared: left, worker: { ...judge, isStored: false, storedAs: undefined } }
  }
  return over(rules, shared, judge, name)
}

const learn: JudgeSteps = (rules, shared, judge) => {
  if (judge.writes.length === 0) return []
  const success: ReadonlyArray<JudgeStep> = judge.isStored
    ? [{ name: "learns that its write is stored", shared, worker: answered(judge, judge.storedAs) }]
    : []
  return [...success, ...asFault(shared, unknown(rules, shared, judge))]
}

const crash: JudgeSteps = (rules, shared, judge) =>
  judge.phase === "idle" && JSON.stringify(judge) === JSON.stringify(idleJudge)
    ? []
    : asFault(shared, { ...over(rules, shared, judge, "crashes"), worker: idleJudge })

/**
 * Makes the judge leave a shard, as judges do when other judges come or go. The step of leaving a shard matters only in
 * scripts with several shards.
 */
const leave: JudgeSteps = (rules, shared, judge) =>
  judge.phase === "idle" || judge.writes.length > 0 || shardsOf(rules) === 1
    ? []
    : [over(rules, shared, judge, `leaves shard ${judge.shard}`)]

const whileRunning = [receive, receiveRules, propose, arrive, learn]

export const judgeSteps: JudgeSteps = (rules, shared, judge) => [
  ...readPosition(rules, shared, judge),
  ...readRules(rules, shared, judge),
  ...(judge.phase === "running" ? whileRunning.flatMap((steps) => steps(rules, shared, judge)) : []),
  ...leave(rules, shared, judge),
  ...crash(rules, shared, judge)
]
