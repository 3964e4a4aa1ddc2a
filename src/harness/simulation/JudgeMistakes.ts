import { Clock, Effect } from "effect"
import type { AlertPosition } from "../../protocol/AlertPosition.ts"
import { setIdOf } from "../../account/Entry.ts"
import { encodeCommit, headOf, revisionLinesOf, tokenOfLine } from "../../protocol/Commit.ts"
import { decodeRevision, encodeRevision } from "../../protocol/RevisionCodec.ts"
import { commitPrefix, rulesPrefix } from "../../protocol/Subject.ts"
import type { AppliedPurchase, Revision } from "../../account/Revision.ts"
import type { AlertCommit, AlertMessage } from "../../nats/AlertStream.ts"
import type { JournalPull, PulledMessage } from "../../nats/JournalPull.ts"
import { Outbox } from "../../judge/Outbox.ts"
import { WindowCache } from "../../judge/WindowCache.ts"
import { type PlacedRevision, revisionBefore } from "../../rules/Judgement.ts"
import { UserWindows } from "../../rules/UserWindows.ts"
import type { Mistake } from "./Mistakes.ts"
import { type Plan, purchaseTimeAt } from "./Plan.ts"
import type { Swaps } from "./SimulatedBroker.ts"
import type { SimulatedAlerts, SimulatedReader } from "./SimulatedAlerts.ts"
import type { Plant } from "./Simulation.ts"

type Alerts = ReturnType<NonNullable<Swaps["alerts"]>>
type Reader = ReturnType<NonNullable<Swaps["reader"]>>

const inJudges =
  (swaps: (shared: Map<number, number>) => Swaps): Plant =>
  (process, shared = new Map()) =>
    process === "judge" ? swaps(shared) : {}

const inAlerts = (swap: (real: SimulatedAlerts) => Partial<Alerts>): Plant =>
  inJudges(() => ({ alerts: (real) => ({ ...real, ...swap(real) }) }))

const inReader = (swap: (real: SimulatedReader) => Partial<Reader>): Plant =>
  inJudges(() => ({ reader: (real) => ({ ...real, ...swap(real) }) }))

const turnedBounds = { messagesMax: 2, bytesMax: Number.POSITIVE_INFINITY }

/** Adds judges that judge the same shards, or deaths of a judge during a write. */
const rivalJudges = (plan: Plan): Plan => ({ ...plan, judges: 2, areJudgesAlone: true })
const dyingJudges = (plan: Plan): Plan => ({
  ...plan,
  judges: 1,
  faults: [
    ...plan.faults,
    ...[800, 1_600, 2_400, 3_200].map((at, index) => ({
      at,
      kind: "a judge dies as it writes" as const,
      choice: 0,
      lasts: 200 + index
    }))
  ].sort((one, other) => one.at - other.at)
})

/** Stores the position of a step without the messages of the step. */
const positionAlone = (real: SimulatedAlerts, step: AlertCommit) => real.commit({ ...step, messages: [] })
const messagesAlone = (real: SimulatedAlerts, step: AlertCommit) => real.storeMessages?.(step) ?? Effect.succeed(0)

/** Changes the messages that a judge reads. */
const reading = (change: (messages: ReadonlyArray<PulledMessage>) => ReadonlyArray<PulledMessage>): Plant =>
  inReader((real) => ({
    read: (after) =>
      Effect.map(real.read(after), (pull): JournalPull => ({ ...pull, take: Effect.map(pull.take, change) }))
  }))

const withRevisions = (message: PulledMessage, change: (token: string, revision: Revision) => Revision) => {
  if (!message.subject.startsWith(commitPrefix)) return message
  const text = Buffer.from(message.payload).toString()
  const { kind, epoch, worker, position } = headOf(text)
  const lines = revisionLinesOf(text).map((line) => {
    const token = tokenOfLine(line)
    return encodeRevision(token, change(token, decodeRevision(line)))
  })
  return { ...message, payload: Buffer.from(encodeCommit({ kind, epoch, worker, position }, lines)) }
}

/**
 * Gives a judge rules a moment later than the commits that are behind these rules in the journal, as a second consumer
 * may do.
 */
const secondConsumer = (): Plant =>
  inReader((real) => ({
    read: (after) =>
      Effect.map(real.read(after), (pull): JournalPull => {
        let late: ReadonlyArray<PulledMessage> = []
        const take = Effect.map(pull.take, (messages) => {
          const rules = messages.filter(({ subject }) => subject.startsWith(rulesPrefix))
          const others = messages.filter(({ subject }) => !subject.startsWith(rulesPrefix))
          const taken = [...others.slice(0, 1), ...late, ...others.slice(1)]
          late = rules
          return taken
        })
        return { ...pull, take }
      })
  }))

/** Judges repeats as if they were further purchases. */
const repeatsJudged = (): Plant => {
  const known = new Map<string, AppliedPurchase>()
  return reading((messages) =>
    messages.map((message) =>
      withRevisions(message, (token, revision) => {
        for (const entry of revision.purchases) known.set(`${token} ${setIdOf(entry)}`, entry)
        const again = [...revision.repeats.keys()].flatMap((id) => known.get(`${token} ${id}`) ?? [])
        return { ...revision, purchases: [...revision.purchases, ...again] }
      })
    )
  )
}

/** Window states that claim to belong to any revision that the judge asks for. */
class KeptWindows extends UserWindows {
  claimed = 0
  override get through(): number {
    return this.claimed
  }
}

/** Keeps the window states of a user, although the judge has begun anew at an earlier revision. */
class KeptCache extends WindowCache {
  private readonly kept = new Map<string, KeptWindows>()

  override take(placed: PlacedRevision): UserWindows {
    const before = revisionBefore(placed)
    const windows = this.kept.get(placed.userId) ?? new KeptWindows(before)
    this.kept.set(placed.userId, windows)
    windows.claimed = before
    return windows
  }

  override put(): void {}
}

/**
 * Measures `before` in the window that ended with the previous purchase, and not in the window of the judged purchase.
 */
class LastWindows extends UserWindows {
  private readonly cutoffs = new Map<string, number>()

  override state(key: string) {
    const state = super.state(key)
    const last = this.cutoffs.get(key)
    const runningSince: typeof state.runningSince = (cutoff) => {
      this.cutoffs.set(key, cutoff)
      return state.runningSince(last !== undefined && state.reaches(last) ? last : cutoff)
    }
    return Object.assign(Object.create(state) as typeof state, { runningSince })
  }
}

class LastCache extends WindowCache {
  private readonly windowsOf = new Map<string, UserWindows>()

  override take(placed: PlacedRevision): UserWindows {
    const found = this.windowsOf.get(placed.userId)
    const before = revisionBefore(placed)
    return found?.through === before ? found : new LastWindows(before)
  }

  override put(userId: string, windows: UserWindows): void {
    this.windowsOf.set(userId, windows)
  }
}

/** Adds the messages of a commit in reverse order. */
class TurnedOutbox extends Outbox {
  private ofCommit: Array<AlertMessage> = []

  override add(message: AlertMessage): void {
    this.ofCommit.push(message)
  }

  override judged(sequence: number): void {
    for (const message of this.ofCommit.toReversed()) super.add(message)
    this.ofCommit = []
    super.judged(sequence)
  }
}

/** Returns `true` for every second process that starts in a run. */
const isSecond = (shared: Map<number, number>): boolean => {
  shared.set(shared.size, 0)
  return shared.size % 2 === 0
}

const withoutMessages = ({ through }: AlertPosition): AlertPosition => ({ through, messages: 0 })

const boughtAt = (revision: Revision, now: number): Revision => ({
  ...revision,
  purchases: revision.purchases.map((purchase) => ({ ...purchase, storedAt: purchaseTimeAt(now) }))
})

/** The time that a consumer takes to deliver all messages, in milliseconds. */
const readingTime = 50

/** Returns the sequence behind the end of the journal. */
const endOfJournal = (real: SimulatedReader) =>
  Effect.scoped(Effect.flatMap(real.read(0), ({ take }) => Effect.delay(take, readingTime))).pipe(
    Effect.map((messages) => (messages.at(-1)?.sequence ?? 0) + 1),
    Effect.catchTag("ReadingOver", () => real.firstRules)
  )

const swapped = (shard: number, shards: number): number => (shards === 2 ? 1 - shard : shard)

/** The mistakes of judges and of changes of rules, numbered as in the list of the models. */
export const judgeMistakes: ReadonlyArray<Mistake> = [
  {
    name: "J1 the position is written before the alerts",
    breaks: /^A1 missing/,
    sharpen: dyingJudges,
    plant: inAlerts((real) => ({
      commit: (step) => Effect.tap(positionAlone(real, step), () => messagesAlone(real, step))
    }))
  },
  {
    name: "J2 the position is written after the alerts",
    breaks: /^A1 doubled/,
    sharpen: dyingJudges,
    plant: inAlerts((real) => ({
      commit: (step) => Effect.andThen(messagesAlone(real, step), positionAlone(real, step))
    }))
  },
  {
    name: "J3 the position is written without an expectation",
    breaks: /^A1 doubled/,
    sharpen: rivalJudges,
    plant: inAlerts((real) => ({
      commit: (step) => real.commitUnconditionally?.(step) ?? real.commit(step)
    }))
  },
  {
    name: "J4 the rules are read as they are now",
    breaks: /^A[12]/,
    plant: inReader((real) => ({ rulesAsOf: (_through, take) => real.rulesAsOf(Number.POSITIVE_INFINITY, take) }))
  },
  { name: "J5 rules and commits come from two consumers", breaks: /^A[12]/, plant: secondConsumer() },
  {
    name: "J6 a gap of the consumer is ignored",
    breaks: /^A[12]/,
    plant: inReader((real) => ({ read: (after) => real.readIgnoringGaps?.(after) ?? real.read(after) }))
  },
  {
    name: "J7 an unknown outcome is taken for success",
    breaks: /^A1 missing/,
    plant: inAlerts((real) => ({
      commit: (step) =>
        Effect.catchTag(real.commit(step), "OutcomeUnknown", () =>
          Effect.map(real.position(step.shard), (newest) => newest?.sequence ?? 0)
        )
    }))
  },
  {
    name: "J8 window states are kept after a refused commit",
    breaks: /^A7/,
    sharpen: rivalJudges,
    plant: inJudges(() => {
      const cache = new KeptCache(0)
      return { state: (real) => ({ ...real, windows: () => cache }) }
    })
  },
  {
    name: "J9 windows end at the judge's clock",
    breaks: /^A7/,
    plant: inReader((real) => ({
      read: (after) =>
        Effect.map(real.read(after), (pull): JournalPull => {
          const take = Effect.zipWith(pull.take, Clock.currentTimeMillis, (messages, now) =>
            messages.map((message) => withRevisions(message, (_token, revision) => boughtAt(revision, now)))
          )
          return { ...pull, take }
        })
    }))
  },
  {
    name: "J10 the messages that are stored already are ignored",
    breaks: /^A1 doubled/,
    plant: inAlerts((real) => ({
      position: (shard) =>
        Effect.map(real.position(shard), (found) =>
          found === undefined ? found : { ...found, position: withoutMessages(found.position) }
        )
    }))
  },
  {
    name: "J10 every second judge has another order of owners",
    breaks: /^A1/,
    plant: inJudges((shared) => {
      if (!isSecond(shared)) return {}
      return { state: (real) => ({ ...real, outbox: (stored) => new TurnedOutbox(stored, turnedBounds) }) }
    })
  },
  {
    name: "J11 rules are changed without compare-and-set",
    breaks: /^A5/,
    plant: (process) =>
      process === "edge"
        ? {
            rules: (real) => ({
              ...real,
              append: (userToken, text, after) =>
                real.appendUnconditionally?.(userToken, text) ?? real.append(userToken, text, after)
            })
          }
        : {}
  },
  { name: "J12 repeats are judged as purchases", breaks: /^A[27]/, plant: repeatsJudged() },
  {
    name: "J13 the measure before a purchase is that of the last purchase's window",
    breaks: /^A7/,
    plant: inJudges(() => ({ state: (real) => ({ ...real, windows: () => new LastCache(0) }) }))
  },
  {
    name: "J14 every second judge finds the shard of a user by another hash",
    breaks: /^A1/,
    sharpen: (plan) => ({ ...rivalJudges(plan), shards: 2 }),
    plant: inJudges((shared) => {
      if (!isSecond(shared)) return {}
      return {
        alerts: (real) => ({
          ...real,
          position: (shard) => real.position(swapped(shard, real.shards)),
          commit: (step) => real.commit({ ...step, shard: swapped(step.shard, real.shards) })
        })
      }
    })
  },
  {
    name: "J17 the first position is at the end of the journal",
    breaks: /^A1 missing/,
    plant: inReader((real) => ({
      firstRules: Effect.flatMap(real.firstRules, (first) =>
        first === undefined ? Effect.undefined : endOfJournal(real)
      )
    }))
  }
]
