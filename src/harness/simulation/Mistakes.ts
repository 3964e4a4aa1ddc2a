import { Effect, Fiber } from "effect"
import { type CommitHead, encodeCommit, headOf, revisionLinesOf, tokenOfLine } from "../../protocol/Commit.ts"
import { decodeManifest, encodeManifest, type HeadManifest } from "../../protocol/HeadManifest.ts"
import type { Revision } from "../../account/Revision.ts"
import { decodeRevision, encodeRevision } from "../../protocol/RevisionCodec.ts"
import { isOfReversal, type Rejection } from "../../protocol/Rejection.ts"
import { decodeSegment, encodeSegment } from "../../protocol/SegmentCodec.ts"
import { HeadTable } from "../../ledger/HeadTable.ts"
import type { JournalRecord } from "../../nats/CommitChain.ts"
import { CommitConflict } from "../../nats/client/ConditionalAppend.ts"
import type { RejectedRecords } from "../../nats/RejectedRecords.ts"
import type { Pull } from "../../nats/PullSession.ts"
import type { Plan } from "./Plan.ts"
import type { Swaps } from "./SimulatedBroker.ts"
import type { SimulatedChain } from "./SimulatedJournal.ts"
import type { Plant } from "./Simulation.ts"
import { replacedEvents } from "../system/ReplacedEvents.ts"

/**
 * A planted mistake, which breaks one rule of the protocol. The mistake replaces some services of a process with
 * services that break the rule.
 */
export interface Mistake {
  readonly name: string
  /** Matches the problems that the mistake causes. The text of a problem begins with the invariant that is broken. */
  readonly breaks: RegExp
  readonly plant: Plant
  /** Adds to a plan the events without which the mistake would break nothing. */
  readonly sharpen?: (plan: Plan) => Plan
}

type Chain = ReturnType<NonNullable<Swaps["chain"]>>

const inWorkers =
  (swaps: (shared: Map<number, number>) => Swaps): Plant =>
  (process, shared = new Map()) =>
    process === "worker" ? swaps(shared) : {}

/** Plants a mistake that replaces only the chain of the workers. */
const inChain = (swap: (real: SimulatedChain) => Partial<Chain>): Plant =>
  inWorkers(() => ({ chain: (real) => ({ ...real, ...swap(real) }) }))

const isTakeover = (commit: string): boolean => headOf(commit).kind === "takeover"

const withHead = (commit: string, change: (head: CommitHead) => Partial<CommitHead>): string => {
  const { kind, epoch, worker, position } = headOf(commit)
  const head = { kind, epoch, worker, position }
  return encodeCommit({ ...head, ...change(head) }, revisionLinesOf(commit))
}

const withRevisions = (commit: string, change: (revision: Revision) => Partial<Revision>): string => {
  const { kind, epoch, worker, position } = headOf(commit)
  const lines = revisionLinesOf(commit).map((line) => {
    const revision = decodeRevision(line)
    return encodeRevision(tokenOfLine(line), { ...revision, ...change(revision) })
  })
  return encodeCommit({ kind, epoch, worker, position }, lines)
}

const isSegment = ({ text }: JournalRecord): boolean => text.includes('"kind":"segment"')

/** Makes a process read revisions that differ from the stored revisions. Segments are read as they are stored. */
const readingRevisions = (change: (revision: Revision) => Partial<Revision>): Plant =>
  inChain((real) => ({
    at: (sequence) =>
      Effect.map(real.at(sequence), (found) =>
        found === undefined || isSegment(found) ? found : { ...found, text: withRevisions(found.text, change) }
      )
  }))

/**
 * Appends a commit whatever the newest commit is. For the real chain, which needs a condition, the function reads the
 * newest sequence first.
 */
const appendUnconditionally = (real: SimulatedChain, partition: number, commit: string) =>
  real.appendUnconditionally?.(partition, commit) ??
  Effect.flatMap(real.newest(partition), (newest) => real.append(partition, commit, newest?.sequence ?? 0))

/**
 * Changes the faults so that a worker gets no messages for long, and a second worker joins meanwhile. The second worker
 * applies the input that the first worker missed, and the janitor purges this input.
 */
const deafOwners = (plan: Plan): Plan => ({
  ...plan,
  cleaningEvery: 400,
  workers: 1,
  judges: 0,
  faults: plan.faults.flatMap((fault) => [
    { ...fault, kind: "a worker is deaf", lasts: 5_000 } as const,
    { ...fault, kind: "a worker joins", at: fault.at + 500, lasts: 5_000 } as const
  ])
})

/** Adds workers that join while other workers commit, so that partitions move between living workers. */
const joiningWorkers = (plan: Plan): Plan => ({
  ...plan,
  unkindness: { ...plan.unkindness, requestLate: 0.1 },
  workers: 1,
  judges: 0,
  faults: plan.faults.map((fault) => ({ ...fault, kind: "a worker joins", lasts: 200 }))
})

/** Remembers the sequence of the newest commit of each chain that a process writes. */
const knowingNewest = (real: SimulatedChain) => {
  const newest = new Map<number, number>()
  const append: Chain["append"] = (partition, commit, after) =>
    Effect.tap(real.append(partition, commit, after), (sequence) => Effect.sync(() => newest.set(partition, sequence)))
  return { newest, append }
}

/**
 * Sends a commit while an earlier commit is not acknowledged yet, and expects the sequence that the earlier commit
 * should get.
 */
const twoInFlight = (real: SimulatedChain): Partial<Chain> => {
  const underWay = new Map<number, Fiber.Fiber<number, unknown>>()
  const stored = new Map<number, number>()
  return {
    append: (partition, commit, after) =>
      Effect.gen(function* () {
        if (isTakeover(commit)) return yield* real.append(partition, commit, after)
        const failed = underWay.get(partition)?.pollUnsafe()
        if (failed?._tag === "Failure") return yield* new CommitConflict({ reason: "the commit before it failed" })
        const guessed = after + 1
        const appended = Effect.tap(real.append(partition, commit, stored.get(after) ?? after), (sequence) =>
          Effect.sync(() => stored.set(guessed, sequence))
        )
        underWay.set(partition, yield* Effect.forkDetach(appended, { startImmediately: true }))
        return guessed
      })
  }
}

/** Puts the revisions of a commit in flight into the heads, at the sequence that the commit should get. */
const headsAhead = (): Swaps => {
  const underWay = new Map<number, { readonly tokens: ReadonlyArray<string>; readonly sequence: number }>()
  return {
    chain: (real) => ({
      ...real,
      append: (partition, commit, after) => {
        const tokens = revisionLinesOf(commit).map(tokenOfLine)
        if (tokens.length > 0) underWay.set(partition, { tokens, sequence: after + 1 })
        const done = Effect.sync(() => void underWay.delete(partition))
        return Effect.ensuring(real.append(partition, commit, after), done)
      }
    }),
    heads: (real) => ({
      ...real,
      replaceManifest: (partition, text, at) =>
        Effect.gen(function* () {
          const ahead = underWay.get(partition)
          if (ahead === undefined) return yield* real.replaceManifest(partition, text, at)
          const manifest = decodeManifest(text)
          const table = new HeadTable(Uint32Array.from(manifest.key))
          for (const token of ahead.tokens) table.set(token, ahead.sequence)
          const name = `hint.ahead.${ahead.sequence}`
          const hint = yield* real.store(partition, name, table.takeChanged())
          const next: HeadManifest = { ...manifest, hints: [...manifest.hints, hint], through: ahead.sequence }
          return yield* real.replaceManifest(partition, encodeManifest(next), at)
        })
    })
  }
}

/**
 * Writes a manifest that claims to reach to the present end of the chain. A right manifest reaches to the end that the
 * chain had when the entries of the manifest were taken.
 */
const manifestBeyond = (): Swaps => {
  let chain: SimulatedChain | undefined
  return {
    chain: (real) => (chain = real),
    heads: (real) => ({
      ...real,
      replaceManifest: (partition, text, at) =>
        Effect.gen(function* () {
          const through = (yield* chain?.newest(partition) ?? Effect.undefined)?.sequence ?? 0
          return yield* real.replaceManifest(partition, encodeManifest({ ...decodeManifest(text), through }), at)
        })
    })
  }
}

/**
 * Gives each segment a made-up sequence, and stores the segment some time after the account was told that the segment
 * is stored.
 */
const segmentsLater = (shared: Map<number, number>): Swaps => ({
  chain: (real) => ({
    ...real,
    seal: (partition, segment) =>
      Effect.gen(function* () {
        const name = 1_000_000 + shared.size
        shared.set(name, 0)
        const stored = Effect.map(real.seal(partition, segment), (sequence) => shared.set(name, sequence))
        yield* Effect.forkDetach(Effect.ignore(Effect.delay(stored, 20)))
        return name
      }),
    at: (sequence) => real.at(shared.get(sequence) ?? sequence)
  })
})

/**
 * Checks before the slow read of the input log, and not after that read, whether the worker still owns the partition.
 */
const checkedEarly = (): Swaps => {
  const answers = new Map<number, JournalRecord | undefined>()
  let next: Chain["next"] | undefined
  let newest: ReadonlyMap<number, number> = new Map()
  return {
    chain: (real) => {
      const known = knowingNewest(real)
      newest = known.newest
      next = real.next
      const answerAfter = (partition: number, after: number) => {
        const answer = answers.get(partition)
        return answer !== undefined && answer.sequence > after ? answer : undefined
      }
      return {
        ...real,
        append: known.append,
        next: (partition, after) => Effect.sync(() => answerAfter(partition, after))
      }
    },
    input: (real) => ({
      ...real,
      newestAfter: (partition, sequence) =>
        Effect.gen(function* () {
          const later = yield* next?.(partition, newest.get(partition) ?? 0) ?? Effect.undefined
          answers.set(partition, later)
          return yield* Effect.delay(real.newestAfter(partition, sequence), 2_000)
        })
    })
  }
}

/** Reads the heads first, and appends the take-over record later, behind the newest commit at that time. */
const headsReadFirst = (real: SimulatedChain): Partial<Chain> => {
  const read = new Map<number, Array<JournalRecord>>()
  const readAll = Effect.fnUntraced(function* (partition: number) {
    const all: Array<JournalRecord> = []
    while (true) {
      const page = yield* real.page(partition, (all.at(-1)?.sequence ?? 0) + 1)
      if (page.length === 0) break
      all.push(...page)
    }
    read.set(partition, all)
  })
  return {
    newest: (partition) => Effect.andThen(readAll(partition), Effect.delay(real.newest(partition), 2_500)),
    append: (partition, commit, after) =>
      Effect.tap(real.append(partition, commit, after), (sequence) =>
        Effect.sync(() => {
          if (isTakeover(commit)) read.get(partition)?.push({ sequence, storedAt: 0, text: commit })
        })
      ),
    page: (partition, from) => Effect.sync(() => (read.get(partition) ?? []).filter(({ sequence }) => sequence >= from))
  }
}

/**
 * Makes a process read reversals that take back no piece, and segments without reversed pieces. So an account that is
 * loaded forgets how many pieces of its purchases are taken back, and a purchase can be reversed twice.
 */
const forgettingReversed = (real: SimulatedChain): Partial<Chain> => ({
  at: (sequence) =>
    Effect.map(real.at(sequence), (found) => {
      if (found === undefined) return found
      if (!isSegment(found)) {
        const purchases = (revision: Revision) =>
          revision.purchases.map((entry) => (entry.reversal === undefined ? entry : { ...entry, quantity: 0 }))
        return { ...found, text: withRevisions(found.text, (revision) => ({ purchases: purchases(revision) })) }
      }
      const segment = decodeSegment(found.text)
      const repeats = Array.from(segment.repeats, ([id, counts]) => [id, { ...counts, reversed: 0 }] as const)
      return { ...found, text: encodeSegment({ ...segment, repeats: new Map(repeats) }) }
    })
})

type Rejected = (typeof RejectedRecords)["Service"]

/** Writes a rejected record some time after the account was told that the record is written. */
const recordedLate = (real: Rejected, rejection: Rejection) =>
  Effect.asVoid(Effect.forkDetach(Effect.delay(Effect.ignore(real.record(rejection)), 200)))

export const mistakes: ReadonlyArray<Mistake> = [
  {
    name: "1 the set is not loaded when an actor wakes",
    breaks: /^I2 doubled/,
    plant: readingRevisions(() => ({
      purchases: [],
      reversals: 0,
      repeats: new Map(),
      previous: [],
      count: 0,
      segment: 0,
      unsealed: 1
    }))
  },
  {
    name: "2 a commit without an expectation",
    breaks: /^I2 doubled/,
    plant: inChain((real) => ({
      append: (partition, commit, after) =>
        isTakeover(commit) ? real.append(partition, commit, after) : appendUnconditionally(real, partition, commit)
    }))
  },
  {
    name: "3 a take-over record without an expectation",
    breaks: /^position/,
    sharpen: joiningWorkers,
    plant: inChain((real) => ({
      append: (partition, commit, after) =>
        isTakeover(commit)
          ? Effect.delay(appendUnconditionally(real, partition, commit), 50)
          : real.append(partition, commit, after)
    }))
  },
  {
    name: "4 deciding beyond a gap",
    breaks: /^I1/,
    plant: inWorkers(() => ({
      consumer: (real) => ({
        ...real,
        pull: (partition, epoch, events) => {
          let numbered = 0
          return real.pull(
            partition,
            epoch,
            replacedEvents(events, {
              delivered: (delivery) => {
                numbered += 1
                events.delivered({ ...delivery, deliverySequence: numbered })
              }
            })
          )
        }
      })
    }))
  },
  {
    name: "5 an unknown outcome is taken for success",
    breaks: /^I1/,
    plant: inChain((real) => ({
      append: (partition, commit, after) =>
        Effect.catchTag(real.append(partition, commit, after), "OutcomeUnknown", () =>
          Effect.map(real.newest(partition), (newest) => newest?.sequence ?? 0)
        )
    }))
  },
  {
    name: "6 an unknown outcome is taken for failure, and the commit sent again under the new expectation",
    breaks: /^I2 doubled/,
    plant: inChain((real) => ({
      append: (partition, commit, after) =>
        Effect.catchTag(real.append(partition, commit, after), "OutcomeUnknown", () =>
          Effect.flatMap(real.newest(partition), (newest) => real.append(partition, commit, newest?.sequence ?? 0))
        )
    }))
  },
  {
    name: "7 two commits in flight",
    breaks: /^I8/,
    plant: inChain(twoInFlight)
  },
  {
    name: "8 a purge beyond the position",
    breaks: /^I1/,
    plant: (process) =>
      process === "janitor"
        ? { input: (real) => ({ ...real, purgeBelow: (sequence) => real.purgeBelow(sequence + 1) }) }
        : {}
  },
  {
    name: "9 a read that skips the barrier",
    breaks: /^I6/,
    plant: inWorkers(() => ({ input: (real) => ({ ...real, newestAfter: () => Effect.succeed(0) }) }))
  },
  {
    name: "10 a read that skips the owner's check after it",
    breaks: /^I6/,
    sharpen: deafOwners,
    plant: inChain(() => ({ next: () => Effect.undefined }))
  },
  {
    name: "11 the owner's check comes before the barrier",
    breaks: /^I6/,
    sharpen: deafOwners,
    plant: inWorkers(checkedEarly)
  },
  {
    name: "12 an input is acknowledged when it is received",
    breaks: /^I8/,
    plant: inWorkers(() => ({
      consumer: (real) => ({
        ...real,
        pull: (partition, epoch, events) => {
          let pull: Pull | undefined
          const delivered: typeof events.delivered = (delivery) => {
            pull?.acknowledge(delivery)
            events.delivered(delivery)
          }
          const opened = real.pull(partition, epoch, replacedEvents(events, { delivered }))
          return Effect.tap(opened, (one) => Effect.sync(() => void (pull = one)))
        }
      })
    }))
  },
  {
    name: "13 the position passes a message of which a part is committed",
    breaks: /^I1/,
    plant: inChain((real) => ({
      append: (partition, commit, after) => {
        const decided = revisionLinesOf(commit).map((line) => decodeRevision(line).decidedThrough)
        const changed = withHead(commit, ({ position }) => ({ position: Math.max(position, ...decided) }))
        return real.append(partition, changed, after)
      }
    }))
  },
  {
    name: "14 decidedThrough is ignored",
    breaks: /^repeats/,
    plant: readingRevisions(() => ({ decidedThrough: 0 }))
  },
  {
    name: "15 the heads are ahead of the chain",
    breaks: /^I[1-7]/,
    plant: inWorkers(headsAhead)
  },
  {
    name: "16 the manifest says more than its chunks hold",
    breaks: /^I2 doubled/,
    plant: inWorkers(manifestBeyond)
  },
  {
    name: "17 the heads are read before the take-over record is appended",
    breaks: /^I2 doubled/,
    sharpen: joiningWorkers,
    plant: inChain(headsReadFirst)
  },
  {
    name: "18 a segment is named before it is stored",
    breaks: /^I7/,
    plant: inWorkers(segmentsLater)
  },
  {
    name: "19 a segment covers fewer ids than it says",
    breaks: /^I7/,
    plant: inChain((real) => ({
      seal: (partition, text) => {
        const segment = decodeSegment(text)
        const [first, ...others] = segment.revisions
        const revisions = first === undefined ? [] : [{ ...first, purchaseIds: [], fingerprints: [] }, ...others]
        return real.seal(partition, encodeSegment({ ...segment, revisions }))
      }
    }))
  },
  {
    name: "20 a record of rejected input is written after the position has passed it",
    breaks: /^I1 lost: the position/,
    plant: inWorkers(() => ({
      rejected: (real) => ({ ...real, record: (rejection) => recordedLate(real, rejection) })
    }))
  },
  {
    name: "21 a record of rejected input is never written",
    breaks: /^I8/,
    plant: inWorkers(() => ({ rejected: (real) => ({ ...real, record: () => Effect.void }) }))
  },
  {
    name: "22 the pieces that reversals took back are not loaded when an actor wakes",
    breaks: /^I4 disagreeing: .* takes back/,
    plant: inChain(forgettingReversed)
  },
  {
    name: "23 a record of a refused reversal is written after the position has passed it",
    breaks: /^I1 lost: the position/,
    plant: inWorkers(() => ({
      rejected: (real) => ({
        ...real,
        record: (rejection) => (isOfReversal(rejection) ? recordedLate(real, rejection) : real.record(rejection))
      })
    }))
  }
]
