import { Effect } from "effect"
import { decodeRevision, encodeRevision } from "../../src/domain/Revision.ts"
import { encodePosition } from "../../src/ledger/Position.ts"
import type { LedgerValue, Write } from "../../src/nats/LedgerBucket.ts"
import type { Pull } from "../../src/nats/PartitionConsumer.ts"
import type { Plan } from "./Plan.ts"
import type { Plant } from "./Simulation.ts"
import type { Swaps } from "./SimulatedBroker.ts"

/** One rule of the protocol, broken in the services that a process gets. */
interface Mistake {
  readonly name: string
  /** Which of the invariants breaks, as problems begin. */
  readonly breaks: RegExp
  readonly plant: Plant
  /** Makes of any plan one with more of what it takes. */
  readonly sharpen?: (plan: Plan) => Plan
}

type BucketOf = NonNullable<Swaps["bucket"]>

const inWorkers =
  (swaps: () => Swaps): Plant =>
  (process) =>
    process === "worker" ? swaps() : {}

const bucketOf = (swap: BucketOf): Plant => inWorkers(() => ({ bucket: swap }))

const isAccount = (key: string): boolean => key.startsWith("account.")
const isPosition = (key: string): boolean => key.startsWith("position.")
const isOwner = (key: string): boolean => key.startsWith("owner.")

const withoutGuard = ({ guard: _guard, ...write }: Write): Write => write
const withoutExpected = ({ expected: _expected, ...write }: Write): Write => write

/** The key under which a mistaken bucket keeps the ids of an account apart from the account. */
const setKey = (key: string): string => `set.${key}`

/**
 * An account that is loaded looks as if it had no other ids. Its count is that of the ids, for an account whose count
 * says that ids are missing is refused.
 */
const keepIds = (value: string, ids: ReadonlySet<string>): string => {
  const revision = decodeRevision(value)
  const purchases = revision.purchases.filter(({ purchaseId }) => ids.has(purchaseId))
  return encodeRevision({ ...revision, purchases, count: ids.size })
}

/** The position that follows an account which is written alone, for a mistaken bucket that writes it first. */
const positionBefore = ({ key, value, guard }: Write): ReadonlyArray<Write> =>
  isAccount(key) && guard !== undefined
    ? [
        {
          key: guard.key.replace("owner", "position"),
          value: encodePosition(decodeRevision(value).decidedThrough),
          guard
        }
      ]
    : []

export const mistakes: ReadonlyArray<Mistake> = [
  {
    name: "1 the set is not loaded when an actor wakes",
    breaks: /^I2/,
    plant: bucketOf((real) => ({
      ...real,
      latestTold: (key) =>
        Effect.map(real.latestTold(key), (stored) => {
          if (stored === undefined || !isAccount(key)) return stored
          const revision = decodeRevision(stored.value)
          const value = { ...revision, purchases: [], repeats: new Map(), count: 0, segments: 0, unsealed: 1 }
          return { ...stored, value: encodeRevision(value) }
        })
    }))
  },
  {
    name: "2 account and set in two writes",
    breaks: /^I2/,
    plant: bucketOf((real) => {
      const setOf = (key: string) =>
        Effect.map(real.latest(setKey(key)), (stored) => new Set<string>(JSON.parse(stored?.value ?? "[]")))
      const known = (key: string, value: string) => Effect.map(setOf(key), (ids) => keepIds(value, ids))
      return {
        ...real,
        latestTold: (key) =>
          Effect.flatMap(real.latestTold(key), (stored) =>
            stored === undefined || !isAccount(key)
              ? Effect.succeed(stored)
              : Effect.map(known(key, stored.value), (value) => ({ ...stored, value }))
          ),
        at: (sequence) =>
          Effect.flatMap(real.at(sequence), (stored) =>
            stored === undefined || !isAccount(stored.key)
              ? Effect.succeed(stored)
              : Effect.map(known(stored.key, stored.value), (value) => ({ ...stored, value }))
          ),
        commit: (writes) =>
          Effect.gen(function* () {
            const first = yield* real.commit(writes)
            for (const { key, value } of writes) {
              if (!isAccount(key)) continue
              const ids = yield* setOf(key)
              for (const { purchaseId } of decodeRevision(value).purchases) ids.add(purchaseId)
              yield* real.put(setKey(key), JSON.stringify([...ids]))
            }
            return first
          })
      }
    })
  },
  {
    name: "3 the position is written before the accounts",
    breaks: /^I1/,
    plant: bucketOf((real) => ({
      ...real,
      commit: (writes) => {
        const accounts = writes.filter(({ key }) => !isPosition(key))
        const positions =
          writes.length === 1 ? writes.flatMap(positionBefore) : writes.filter(({ key }) => isPosition(key))
        if (accounts.length === 0) return real.commit(writes)
        return positions.length === 0
          ? real.commit(accounts)
          : Effect.andThen(real.commit(positions), real.commit(accounts))
      }
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
          return real.pull(partition, epoch, {
            ...events,
            delivered: (delivery) => {
              numbered += 1
              events.delivered({ ...delivery, deliverySequence: numbered })
            }
          })
        }
      })
    }))
  },
  {
    name: "5 an unknown outcome is taken for success",
    breaks: /^I1/,
    plant: bucketOf((real) => ({
      ...real,
      commit: (writes) => Effect.catchTag(real.commit(writes), "OutcomeUnknown", () => Effect.succeed(1))
    }))
  },
  {
    name: "6 another try in the same epoch after an unknown outcome, without expected revisions",
    breaks: /^I2/,
    plant: bucketOf((real) => ({
      ...real,
      commit: (writes) => {
        const unchecked = real.commit(writes.map(withoutExpected))
        return Effect.catchTag(unchecked, "OutcomeUnknown", () => unchecked)
      }
    }))
  },
  {
    name: "7 no guard",
    breaks: /^position/,
    plant: bucketOf((real) => ({ ...real, commit: (writes) => real.commit(writes.map(withoutGuard)) })),
    // Late batches that no expected revision stops: those of input that is only rejected.
    sharpen: (plan) => ({
      ...plan,
      unkindness: { ...plan.unkindness, answerLost: 0.1, requestLate: 0.15 },
      faults: plan.faults.map((fault, index) => (index % 2 === 0 ? { ...fault, kind: "poison" } : fault))
    })
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
    // An owner that does not notice that it is none, while what it missed is applied and purged.
    sharpen: (plan) => ({
      ...plan,
      cleaningEvery: 400,
      faults: plan.faults.map((fault) => ({ ...fault, kind: "two owners at once", lasts: 5_000 }))
    }),
    plant: bucketOf((real) => {
      const mine = new Map<string, number>()
      return {
        ...real,
        put: (key, value) => Effect.tap(real.put(key, value), (sequence) => Effect.sync(() => mine.set(key, sequence))),
        latest: (key) => {
          const sequence = isOwner(key) ? mine.get(key) : undefined
          return sequence === undefined ? real.latest(key) : Effect.succeed({ key, value: "", sequence, storedAt: 0 })
        }
      }
    })
  },
  {
    name: "11 an account is loaded from a replica that lacks what the process was told of",
    breaks: /^I2/,
    plant: bucketOf((real) => {
      const old = new Map<string, LedgerValue | undefined>()
      return {
        ...real,
        latestTold: (key) =>
          Effect.suspend(() => {
            if (isAccount(key) && old.has(key)) return Effect.succeed(old.get(key))
            return Effect.tap(real.latestTold(key), (stored) => Effect.sync(() => old.set(key, stored)))
          })
      }
    })
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
          const opened = real.pull(partition, epoch, { ...events, delivered })
          return Effect.tap(opened, (one) => Effect.sync(() => void (pull = one)))
        }
      })
    }))
  }
]
