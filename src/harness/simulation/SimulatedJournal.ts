import { Effect } from "effect"
import { type BrokerFailure, BrokerUnavailable } from "../../protocol/BrokerError.ts"
import { decodeRejection, encodeRejection } from "../../protocol/Rejection.ts"
import { decodeReplay, encodeReplay } from "../../protocol/Replay.ts"
import {
  commitSubject,
  headsPrefix,
  headsSubject,
  journalPrefix,
  rejectedKey,
  replayedKey,
  segmentSubject
} from "../../protocol/Subject.ts"
import { CommitChain, type JournalRecord } from "../../nats/CommitChain.ts"
import type { CommitConflict } from "../../nats/client/ConditionalAppend.ts"
import { HeadStore } from "../../nats/HeadStore.ts"
import { type RejectedKey, RejectedRecords } from "../../nats/RejectedRecords.ts"
import type { MemoryBroker } from "./MemoryBroker.ts"
import type { MemoryStream, StreamMessage } from "./MemoryStream.ts"
import type { Link } from "./Network.ts"
import { neverConflicts, writeOver } from "./SimulatedWrite.ts"
import type { World } from "./World.ts"

/** The most commits of one page. The number is small, so that a short chain has several pages. */
const pageCommitsMax = 3

interface Shared {
  readonly broker: MemoryBroker
  readonly world: World
}

/**
 * The chain, with a function that appends a commit whatever the newest commit is. The real chain is never written
 * without a condition, because no owner may commit in this way.
 */
export type SimulatedChain = (typeof CommitChain)["Service"] & {
  readonly appendUnconditionally?: (partition: number, commit: string) => Effect.Effect<number, BrokerFailure>
}

/** Appends a message to a stream over a link. */
const appendOver = <Payload>(
  link: Link,
  stream: MemoryStream<Payload>,
  operation: string,
  ...message: Parameters<MemoryStream<Payload>["append"]>
): Effect.Effect<number, BrokerFailure | CommitConflict> => writeOver(link, operation, () => stream.append(...message))

/** Reads a message that never changes: from a replica, or from the leader if the replica lacks the message. */
const readOver = <A>(
  { world }: Shared,
  link: Link,
  operation: string,
  found: () => A | undefined
): Effect.Effect<A | undefined, BrokerFailure> =>
  Effect.suspend(() =>
    world.random.chance(world.unkindness.behind)
      ? Effect.andThen(
          Effect.ignore(link.ask(`${operation} of a replica`, () => undefined)),
          link.ask(operation, found)
        )
      : link.ask(operation, found)
  )

const recordOf = ({ sequence, storedAt, payload }: StreamMessage<string>): JournalRecord => ({
  sequence,
  storedAt,
  text: payload
})
const recordIfAny = (message: StreamMessage<string> | undefined) => message && recordOf(message)

export const commitChain = (shared: Shared, link: Link): SimulatedChain => {
  const { broker, world } = shared
  const { journal } = broker

  const next = (partition: number, after: number) =>
    link.ask("next commit", () => recordIfAny(journal.next(commitSubject(partition), after + 1)))

  /**
   * Returns the commits of a chain from a sequence on, as far as a replica has these commits. The replica may have
   * fewer commits than the leader, or no commits.
   */
  const pageOfReplica = (partition: number, from: number) =>
    Effect.suspend(() => {
      const { random, unkindness } = world
      const has = random.chance(unkindness.behind) ? random.below(pageCommitsMax) : pageCommitsMax
      return link.ask("page", () => {
        const commits: Array<JournalRecord> = []
        for (let sequence = from; commits.length < has; sequence = (commits.at(-1)?.sequence ?? 0) + 1) {
          const commit = recordIfAny(journal.next(commitSubject(partition), sequence))
          if (commit === undefined) break
          commits.push(commit)
        }
        return commits
      })
    }).pipe(Effect.orElseSucceed((): ReadonlyArray<JournalRecord> => []))

  return {
    newest: (partition) => link.ask("newest commit", () => recordIfAny(journal.newest(commitSubject(partition)))),
    append: (partition, commit, after) => appendOver(link, journal, "commit", commitSubject(partition), commit, after),
    appendUnconditionally: (partition, commit) =>
      neverConflicts(appendOver(link, journal, "commit", commitSubject(partition), commit)),
    seal: (partition, segment) => neverConflicts(appendOver(link, journal, "seal", segmentSubject(partition), segment)),
    at: (sequence) => readOver(shared, link, "record", () => recordIfAny(journal.at(sequence))),
    page: (partition, from) =>
      Effect.gen(function* () {
        const first = yield* next(partition, from - 1)
        if (first === undefined) return []
        const commits = yield* pageOfReplica(partition, first.sequence)
        return commits[0]?.sequence === first.sequence ? commits : [first]
      }),
    next
  }
}

const textOf = new TextDecoder()
const bytesOf = new TextEncoder()

export const headStore = (shared: Shared, link: Link) => {
  const { heads } = shared.broker
  const manifestSubject = (partition: number) => headsSubject(partition, "manifest")
  return HeadStore.of({
    manifest: (partition) =>
      link.ask("manifest", () => {
        const found = heads.newest(manifestSubject(partition))
        return found && { sequence: found.sequence, text: textOf.decode(found.payload) }
      }),
    replaceManifest: (partition, manifest, at) =>
      appendOver(link, heads, "replace manifest", manifestSubject(partition), bytesOf.encode(manifest), at),
    store: (partition, name, chunk) =>
      neverConflicts(appendOver(link, heads, "store heads", headsSubject(partition, name), chunk.slice())),
    at: (sequence) => readOver(shared, link, "heads", () => heads.at(sequence)?.payload),
    removeBelow: (partition, sequence) =>
      link.ask("remove heads", () => heads.purgeBelow(`${headsPrefix}${partition}.`, sequence))
  })
}

export const rejectedRecords = ({ broker }: Shared, link: Link) => {
  const { journal } = broker
  const newest = (key: string) => link.ask("rejected record", () => recordIfAny(journal.newest(journalPrefix + key)))
  const rejectionOf = ({ text, sequence, storedAt }: JournalRecord) => ({
    ...decodeRejection(text),
    sequence,
    rejectedAt: storedAt
  })
  const replayOf = ({ text, sequence, storedAt }: JournalRecord) => ({ ...decodeReplay(text), sequence, at: storedAt })
  const keyOf = ({ inputSequence, index }: RejectedKey) => replayedKey(inputSequence, index)
  const operation = "record a rejection"
  return RejectedRecords.of({
    record: (rejection) => {
      const key = rejectedKey(rejection.inputSequence, rejection.index)
      return appendOver(link, journal, operation, journalPrefix + key, encodeRejection(rejection), 0).pipe(
        Effect.asVoid,
        Effect.catchTag("CommitConflict", ({ reason }) =>
          Effect.flatMap(newest(key), (found) =>
            found === undefined ? Effect.fail(new BrokerUnavailable({ operation, reason })) : Effect.void
          )
        )
      )
    },
    page: (limit, below = Number.POSITIVE_INFINITY) =>
      link.ask("rejected records", () => {
        const older = journal.allOf(`${journalPrefix}rejected.`).filter(({ sequence }) => sequence < below)
        const records = older
          .slice(-limit)
          .toReversed()
          .map((message) => rejectionOf(recordOf(message)))
        const reached = records.at(-1)?.sequence
        return reached === undefined || older.length === records.length ? { records } : { records, next: reached }
      }),
    find: ({ inputSequence, index }) =>
      Effect.map(newest(rejectedKey(inputSequence, index)), (found) => found && rejectionOf(found)),
    replay: (place) => Effect.map(newest(keyOf(place)), (found) => found && replayOf(found)),
    trail: (place) =>
      link.ask("trail", () => {
        const key = journalPrefix + keyOf(place)
        return journal
          .allOf(key)
          .filter(({ subject }) => subject === key)
          .map((message) => replayOf(recordOf(message)))
      }),
    step: (place, replay, after) =>
      Effect.asVoid(
        appendOver(link, journal, "write a step of a replay", journalPrefix + keyOf(place), encodeReplay(replay), after)
      )
  })
}
