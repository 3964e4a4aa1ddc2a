import { Duration, Effect, Schema, type Scope } from "effect"
import { type AccountReader, type LedgerInconsistent } from "../ledger/AccountReader.ts"
import { CrashPoint, writeBetween } from "../ledger/CrashPoint.ts"
import { revisionJudged } from "../metrics/Measures.ts"
import { AlertStream } from "../nats/AlertStream.ts"
import type { CommitConflict } from "../nats/client/ConditionalAppend.ts"
import { CommitStream } from "../nats/CommitStream.ts"
import type { PulledMessage, ReadingOver } from "../nats/JournalPull.ts"
import { JudgeReader } from "../nats/JudgeReader.ts"
import type { RulesValue } from "../nats/RulesAsOf.ts"
import type { AlertPosition } from "../protocol/AlertPosition.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { commitPrefix, decodeToken, rulesPrefix } from "../protocol/Subject.ts"
import { Judgement } from "../rules/Judgement.ts"
import { judgeCommit, type ShardParts } from "./CommitJudge.ts"
import type { Outbox } from "./Outbox.ts"
import type { ShardProgress } from "./ShardProgress.ts"
import { ShardState } from "./ShardState.ts"
import { windowEntriesMax } from "./WindowCache.ts"
import { makeWindowLoader } from "./WindowLoader.ts"

/** The time between two stored positions of a shard while no alert is found. */
const positionEvery = Duration.millis(100)
/** The time between two reads of the journal that look for the first rule that any user made. */
const rulesLookedForEvery = Duration.millis(500)

/**
 * The position of a shard is beyond the end of the journal. The position is too high because the journal or the stream
 * of alerts was restored or made anew. A judge that went on at the end of the journal would skip purchases. So no judge
 * judges the shard until a person has restored the streams.
 */
export class PositionBeyondJournal extends Schema.TaggedError<PositionBeyondJournal>()("PositionBeyondJournal", {
  shard: Schema.Number,
  through: Schema.Number,
  last: Schema.Number
}) {
  override get message() {
    return `shard ${this.shard} is judged up to ${this.through}, and the journal ends at ${this.last}: restore the journal and the alerts from one backup, with the alerts copied first`
  }
}

/** A value of the journal cannot be read, so no judge of this version can judge the purchases behind the value. */
export class JournalUnreadable extends Schema.TaggedError<JournalUnreadable>()("JournalUnreadable", {
  /** The words for the value in a message to people, for example `the commit`. */
  value: Schema.String,
  sequence: Schema.Number,
  reason: Schema.String
}) {
  override get message() {
    return `${this.value} at sequence ${this.sequence} of the journal cannot be read (${this.reason}): another program or a newer version wrote it; remove it, or start judges of that version`
  }
}

/** The name of the judge that makes a run, and the shard that the run judges. */
export interface ShardIdentity {
  readonly judge: string
  readonly shard: number
}

/** The failures that end a run of a shard. */
export type RunFailure =
  | BrokerFailure
  | CommitConflict
  | JournalUnreadable
  | LedgerInconsistent
  | PositionBeyondJournal
  | ReadingOver

interface Start {
  readonly position: AlertPosition
  /** The sequence of the position's message in the stream of alerts; 0 if the shard has no position yet. */
  readonly sequence: number
}

/** Waits for the first rule that any user makes, and returns the sequence of the rule's value in the journal. */
const firstRules = Effect.gen(function* () {
  const reader = yield* JudgeReader
  while (true) {
    const first = yield* reader.firstRules
    if (first !== undefined) return first
    yield* Effect.sleep(rulesLookedForEvery)
  }
})

/**
 * Returns the position at which a run starts. If no position is stored, the run starts at the first rule that any user
 * made. A run that started at the end of the journal would miss the purchases between the first rule and the start of
 * the first judge.
 */
const startOf = Effect.fnUntraced(function* (shard: number, progress: ShardProgress) {
  const stored = yield* Effect.flatMap(AlertStream, ({ position }) => position(shard))
  if (stored === undefined) progress.nothingToJudge()
  const start: Start = stored ?? { position: { through: (yield* firstRules) - 1, messages: 0 }, sequence: 0 }
  const last = yield* Effect.flatMap(CommitStream, ({ lastSequence }) => lastSequence)
  const { through } = start.position
  if (last < through) return yield* new PositionBeyondJournal({ shard, through, last })
  return start
})

const reasonOf = (defect: unknown): string => (defect instanceof Error ? defect.message : String(defect))

/**
 * Replaces the rules of a user by the rules in a value of the journal. Throws `JournalUnreadable` if the value is
 * malformed.
 */
const changeRules = (judgement: Judgement, { ownerToken, sequence, text }: RulesValue): void => {
  const owner = decodeToken(ownerToken)
  try {
    judgement.changeRules(owner, sequence, text)
  } catch (defect) {
    throw new JournalUnreadable({ value: `the set of rules of user ${owner}`, sequence, reason: reasonOf(defect) })
  }
}

const textOf = (payload: Uint8Array): string => Buffer.from(payload).toString()

/**
 * Judges a message of the journal: a commit, or the stored rules of a user. Skips all other messages, for example
 * segments.
 */
const judge = (parts: ShardParts, { subject, sequence, payload }: PulledMessage) => {
  if (subject.startsWith(rulesPrefix)) {
    return Effect.sync(() =>
      changeRules(parts.judgement, { ownerToken: subject.slice(rulesPrefix.length), sequence, text: textOf(payload) })
    )
  }
  return subject.startsWith(commitPrefix)
    ? Effect.catchDefect(judgeCommit(parts, textOf(payload), sequence), (defect) =>
        Effect.die(new JournalUnreadable({ value: "the commit", sequence, reason: reasonOf(defect) }))
      )
    : Effect.void
}

/** Reads the journal behind the position at which the run starts, and judges each message, without end. */
const fold = Effect.fnUntraced(
  function* (
    { position: { through } }: Start,
    parts: ShardParts,
    progress: ShardProgress
  ): Effect.fn.Return<never, RunFailure, JudgeReader | Scope.Scope> {
    const reader = yield* JudgeReader
    const { judgement, outbox } = parts
    progress.begun()
    yield* reader.rulesAsOf(through, (value) => changeRules(judgement, value))
    const reading = yield* reader.read(through)
    progress.reading(reading.pending, judgement.size)
    while (true) {
      for (const message of yield* reading.take) {
        progress.judging(message)
        yield* judge(parts, message)
        outbox.judged(message.sequence)
        progress.judged(message, judgement.size)
      }
    }
  },
  Effect.catchDefect((defect) => (defect instanceof JournalUnreadable ? Effect.fail(defect) : Effect.die(defect)))
)

/** Stores the batches of the outbox one after another, without end. */
const store = Effect.fnUntraced(function* (
  { judge, shard }: ShardIdentity,
  { sequence }: Start,
  outbox: Outbox,
  progress: ShardProgress
): Effect.fn.Return<never, BrokerFailure | CommitConflict, AlertStream> {
  const alerts = yield* AlertStream
  const { reached } = yield* CrashPoint
  let after = sequence
  while (true) {
    yield* outbox.hasProgress.await
    const { messages, position } = outbox.take()
    yield* reached("before-commit")
    const commit = alerts.commit({ shard, judge, messages, position, after })
    after = yield* writeBetween(["commit-sent", "committed"], commit)
    progress.stored(position)
    yield* Effect.raceFirst(outbox.hasMessages.await, Effect.sleep(positionEvery))
  }
})

/**
 * Judges a shard from its stored position on, until something fails. After any failure the memory of the run is
 * dropped, and the next run begins at the stored position.
 */
export const runShard = Effect.fnUntraced(function* (
  identity: ShardIdentity,
  progress: ShardProgress
): Effect.fn.Return<never, RunFailure, AccountReader | AlertStream | CommitStream | JudgeReader | Scope.Scope> {
  const { shards } = yield* AlertStream
  const start = yield* startOf(identity.shard, progress)
  const state = yield* ShardState
  const outbox = state.outbox(start.position)
  const parts: ShardParts = {
    shard: identity.shard,
    shards,
    judgement: new Judgement(),
    windows: state.windows(windowEntriesMax / shards),
    load: yield* makeWindowLoader,
    outbox,
    counted: revisionJudged
  }
  return yield* Effect.raceFirst(fold(start, parts, progress), store(identity, start, outbox, progress))
})
