import { Deferred, Effect, Latch, type Scope } from "effect"
import { decodeAlertPosition, encodeAlertPosition } from "../../protocol/AlertPosition.ts"
import { type BrokerFailure, BrokerUnavailable } from "../../protocol/BrokerError.ts"
import {
  alertPositionSubject,
  alertSubject,
  commitPrefix,
  journalPrefix,
  rulesPrefix,
  rulesSubject
} from "../../protocol/Subject.ts"
import { type AlertCommit, AlertStream } from "../../nats/AlertStream.ts"
import { CommitStream } from "../../nats/CommitStream.ts"
import { type JournalPull, type PulledMessage, ReadingOver } from "../../nats/JournalPull.ts"
import { JudgeReader } from "../../nats/JudgeReader.ts"
import { type JudgeSign, JudgeSigns } from "../../nats/JudgeSigns.ts"
import { RuleValues } from "../../nats/RuleValues.ts"
import type { MemoryBroker } from "./MemoryBroker.ts"
import type { StreamMessage } from "./MemoryStream.ts"
import type { Link } from "./Network.ts"
import { neverConflicts, writeOver } from "./SimulatedWrite.ts"
import type { World } from "./World.ts"

interface Shared {
  readonly broker: MemoryBroker
  readonly world: World
  readonly signListeners: JudgeListeners
  readonly areJudgesAlone: boolean
}

/** The judges that listen for signs of life. */
export type JudgeListeners = Set<{ readonly link: Link; readonly heard: (sign: JudgeSign) => void }>

/** The time between two heartbeats with which the broker says that a consumer is alive, in milliseconds. */
const heartbeatMilliseconds = 1_000
const silenceMaxMilliseconds = 3 * heartbeatMilliseconds

type AlertService = (typeof AlertStream)["Service"]

/**
 * The stream of alerts, with a function that stores alerts whatever the position of the shard is. The real stream of
 * alerts is never written without a condition.
 */
export type SimulatedAlerts = AlertService & {
  readonly commitUnconditionally?: (step: AlertCommit) => Effect.Effect<number, BrokerFailure>
  /** Stores the messages of a step without its position. */
  readonly storeMessages?: (step: AlertCommit) => Effect.Effect<number, BrokerFailure>
}

export const alertStream = ({ broker }: Shared, link: Link): SimulatedAlerts => {
  const { alerts } = broker
  const messagesOf = ({ messages }: AlertCommit) =>
    messages.map(({ ownerToken, text }) => ({ subject: alertSubject(ownerToken), payload: text }))
  const positionOf = ({ shard, position }: AlertCommit) => ({
    subject: alertPositionSubject(shard),
    payload: encodeAlertPosition(position)
  })
  const operation = "store alerts"
  return {
    shards: broker.options.shards ?? 1,
    position: (shard) =>
      link.ask("position of a shard", () => {
        const found = alerts.newest(alertPositionSubject(shard))
        if (found === undefined) return undefined
        const { sequence, storedAt, payload } = found
        return { position: decodeAlertPosition(payload), sequence, storedAt, judge: undefined }
      }),
    commit: (step) =>
      writeOver(link, operation, () => alerts.appendBatch(messagesOf(step), positionOf(step), step.after)),
    commitUnconditionally: (step) =>
      neverConflicts(writeOver(link, operation, () => alerts.appendBatch(messagesOf(step), positionOf(step)))),
    storeMessages: (step) => {
      const [last, ...others] = messagesOf(step).toReversed()
      return last === undefined
        ? Effect.succeed(0)
        : neverConflicts(writeOver(link, operation, () => alerts.appendBatch(others.toReversed(), last)))
    }
  }
}

/**
 * The stored rules of users, with a function that replaces rules without a compare-and-set. The real service always
 * uses a compare-and-set.
 */
export type SimulatedRules = (typeof RuleValues)["Service"] & {
  readonly appendUnconditionally?: (userToken: string, text: string) => Effect.Effect<number, BrokerFailure>
}

export const ruleValues = ({ broker }: Shared, link: Link): SimulatedRules => {
  const { journal } = broker
  const operation = "change the rules"
  return {
    newest: (userToken) =>
      link.ask("rules", () => {
        const found = journal.newest(rulesSubject(userToken))
        return found && { sequence: found.sequence, text: found.payload }
      }),
    append: (userToken, text, after) =>
      writeOver(link, operation, () => journal.append(rulesSubject(userToken), text, after)),
    appendUnconditionally: (userToken, text) =>
      neverConflicts(writeOver(link, operation, () => journal.append(rulesSubject(userToken), text)))
  }
}

const isJudged = ({ subject }: StreamMessage<string>): boolean =>
  subject.startsWith(journalPrefix) && subject.slice(journalPrefix.length).split(".").length === 2

/** A consumer of the journal, and the delivered messages that its process holds. */
class SimulatedJournalPull implements JournalPull {
  readonly pending: number
  readonly take: Effect.Effect<ReadonlyArray<PulledMessage>, ReadingOver>
  private readonly shared: Shared
  private readonly link: Link
  private readonly ignoresGaps: boolean
  private readonly restarts: number
  private readonly over = Deferred.makeUnsafe<never, ReadingOver>()
  private readonly arrived = Latch.makeUnsafe(false)
  private held: Array<PulledMessage> = []
  /** The next sequence that the broker delivers, and the number of messages that the broker has delivered. */
  private next: number
  private sent = 0
  /**
   * The number of the last message that the process got, and the time at which the process last heard from the broker.
   */
  private delivered = 0
  private heardAt: number

  constructor(shared: Shared, link: Link, after: number, ignoresGaps: boolean) {
    this.shared = shared
    this.link = link
    this.ignoresGaps = ignoresGaps
    this.restarts = shared.broker.restarts
    this.next = after + 1
    this.heardAt = shared.world.now()
    this.pending = this.waiting().length
    this.take = Effect.raceFirst(
      Deferred.await(this.over),
      Effect.map(this.arrived.await, () => this.takeHeld())
    )
  }

  private get isAlive(): boolean {
    return this.shared.broker.restarts === this.restarts
  }

  private waiting(): ReadonlyArray<StreamMessage<string>> {
    const { journal } = this.shared.broker
    const messages: Array<StreamMessage<string>> = []
    for (let sequence = this.next; sequence <= journal.last; sequence += 1) {
      const message = journal.at(sequence)
      if (message !== undefined && isJudged(message)) messages.push(message)
    }
    return messages
  }

  /** Delivers the messages that the consumer has not delivered yet. */
  readonly serve = (): void => {
    const { link } = this
    const { world, broker } = this.shared
    const { random, unkindness } = world
    if (!this.isAlive || link.isDead || !link.isUp) return
    const messages = this.waiting()
    this.next = broker.journal.last + 1
    for (const [index, { subject, sequence, storedAt, payload }] of messages.entries()) {
      this.sent += 1
      const number = this.sent
      if (link.isDeaf || random.chance(unkindness.deliveryLost)) continue
      const pending = messages.length - 1 - index
      const message = { subject, sequence, storedAt, payload: Buffer.from(payload), pending }
      const arrive = () => this.deliver(message, number)
      if (random.chance(unkindness.reordered)) link.bringLate(arrive)
      else link.bring(arrive)
    }
  }

  /** Tells the process that the consumer is alive, with the number of messages that the consumer has delivered. */
  beat(): void {
    const { link, sent } = this
    if (this.shared.world.now() - this.heardAt >= silenceMaxMilliseconds) this.end("the broker was silent")
    if (!this.isAlive || link.isDead || !link.isUp || link.isDeaf) return
    link.bring(() => {
      this.heardAt = this.shared.world.now()
      if (sent !== this.delivered && !this.ignoresGaps) this.end("a delivery before a heartbeat is missing")
    })
  }

  end(reason: string): void {
    Deferred.doneUnsafe(this.over, Effect.fail(new ReadingOver({ reason })))
  }

  private deliver(message: PulledMessage, number: number): void {
    this.heardAt = this.shared.world.now()
    if (number !== this.delivered + 1 && !this.ignoresGaps) return this.end("a delivery is missing")
    this.delivered = number
    this.held.push(message)
    this.arrived.openUnsafe()
  }

  private takeHeld(): ReadonlyArray<PulledMessage> {
    const { held } = this
    this.held = []
    this.arrived.closeUnsafe()
    return held
  }
}

const openPull = (
  shared: Shared,
  link: Link,
  after: number,
  ignoresGaps: boolean
): Effect.Effect<JournalPull, BrokerFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const { waiting } = shared.broker.journal
    const pull = yield* Effect.acquireRelease(
      link.ask("create consumer of the journal", () => new SimulatedJournalPull(shared, link, after, ignoresGaps)),
      ({ serve }) => Effect.sync(() => void waiting.delete(serve))
    )
    yield* link.onReconnect(() => pull.end("the connection broke"))
    waiting.add(pull.serve)
    pull.serve()
    const beat = Effect.andThen(
      Effect.sleep(heartbeatMilliseconds),
      Effect.sync(() => pull.beat())
    )
    yield* Effect.forkScoped(Effect.forever(beat))
    return pull
  })

/** The reader of judges, with a function that reads the journal and ignores gaps. The real reader ends at a gap. */
export type SimulatedReader = (typeof JudgeReader)["Service"] & {
  readonly readIgnoringGaps?: (after: number) => Effect.Effect<JournalPull, BrokerFailure, Scope.Scope>
}

export const judgeReader = (shared: Shared, link: Link): SimulatedReader => {
  const { journal } = shared.broker
  return {
    firstRules: link.ask("first rules", () => journal.allOf(rulesPrefix)[0]?.sequence),
    firstCommitAfter: (after) =>
      link.ask("first commit", () => journal.allOf(commitPrefix).find(({ sequence }) => sequence > after)),
    rulesAsOf: (through, take) =>
      Effect.map(
        link.ask("rules as of a sequence", () => {
          const values = journal.allOf(rulesPrefix).filter(({ sequence }) => sequence <= through)
          return new Map(values.map((value) => [value.subject, value]))
        }),
        (values) => {
          for (const { subject, sequence, payload } of values.values()) {
            take({ ownerToken: subject.slice(rulesPrefix.length), sequence, text: payload })
          }
        }
      ),
    read: (after) => openPull(shared, link, after, false),
    readIgnoringGaps: (after) => openPull(shared, link, after, true)
  }
}

export const judgeSigns = (shared: Shared, link: Link) => {
  const { signListeners, world } = shared
  return JudgeSigns.of({
    give: (sign) =>
      Effect.sync(() =>
        link.tell(() => {
          if (shared.areJudgesAlone) return
          for (const listener of signListeners) {
            if (listener.link.isDeaf || world.random.chance(world.unkindness.deliveryLost)) continue
            listener.link.bring(() => listener.heard(sign))
          }
        })
      ),
    watch: (heard) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const listener = { link, heard }
          signListeners.add(listener)
          return listener
        }),
        (listener) => Effect.sync(() => void signListeners.delete(listener))
      ).pipe(Effect.asVoid)
  })
}

/** The journal as judges need it. Nobody follows a feed in a simulation. */
export const commitStream = ({ broker }: Shared, link: Link) =>
  CommitStream.of({
    lastSequence: Effect.catchTag(
      link.ask("last sequence of the journal", () => broker.journal.last),
      "OutcomeUnknown",
      ({ operation, reason }) => Effect.fail(new BrokerUnavailable({ operation, reason }))
    ),
    lastSequenceFrom: () => Effect.die("no feed is simulated"),
    page: () => Effect.die("no feed is simulated"),
    follow: () => Effect.die("no feed is simulated")
  })
