import { Context, Duration, Effect, Layer, Option, Schedule, Schema } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import {
  alertsStream,
  auditStream,
  formerLedgerStream,
  headsStream,
  inputStream,
  journalStream,
  partitionFilter,
  tokensStream,
  workersStream
} from "../protocol/Subject.ts"
import { journalConfig } from "./CommitChain.ts"
import { type BrokerConnection, Connection } from "./client/Connection.ts"
import { nanosecondsOf } from "./client/Nanoseconds.ts"
import { ensureStream, type StreamConfig, streamConfigOf, updateStream } from "./client/StreamSetup.ts"
import { alertStreamConfig, shardsOf } from "./AlertStream.ts"
import { auditConfig } from "./AuditLog.ts"
import { headsConfig } from "./HeadStore.ts"
import { tokensConfig } from "./TokenStore.ts"
import { workersConfig } from "./WorkerBucket.ts"

/** The oldest version of the broker with which the tests have run. */
const brokerVersionMin = [2, 15, 0] as const
/** The time between two looks of a starting process for a missing stream. */
const missingRetryWait = Duration.millis(250)
/**
 * The most looks of a starting process for a missing stream, which take about a minute. The setup may create the stream
 * in this minute.
 */
const missingRetriesMax = 240
/** The time after which a starting process logs the name of the stream that the process waits for. */
const missingLoggedAfter = Duration.seconds(2)
/** The entry that the upgrade writes into the metadata of the journal when the upgrade is complete. */
export const upgradeMetadata = "purchases.upgrade"
export const upgradeDone = "done"
/** The key for the number of partitions in the metadata of the input log. */
export const partitionsMetadata = "purchases.partitions"

/**
 * The failure if a process cannot start, because the broker is too old, has no JetStream, or has a stream that this
 * version cannot use.
 */
export class TopologyMismatch extends Schema.TaggedError<TopologyMismatch>()("TopologyMismatch", {
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

export interface InputSettings {
  /** The number of partitions of a new input log. An existing input log keeps its number of partitions. */
  readonly partitions: number
  readonly replicas: number
  /** The duplicate window of the input log. */
  readonly duplicateWindow: Duration.Duration
  /** The most bytes that the input log keeps. A full input log refuses purchases. */
  readonly inputBytesMax: number
}

export interface TopologySettings extends InputSettings {
  /** The number of shards that the stream of alerts gets, or has to have already. */
  readonly judgeShards: Option.Option<number>
  /** The most bytes of the journal. Without a value, a new journal has no bound, and an existing one keeps its bound. */
  readonly journalBytesMax: Option.Option<number>
}

const inputConfig = (settings: InputSettings, messageBytesMax: number) => ({
  name: inputStream,
  description: "Purchases as they came in; what is applied is purged later",
  // The stream has a subject for each partition, so that the broker refuses messages to a partition that does not
  // exist.
  subjects: [
    "purchases.*",
    ...Array.from({ length: settings.partitions }, (_, partition) => partitionFilter(partition))
  ],
  subject_transform: {
    src: "purchases.*",
    dest: `purchases.{{partition(${settings.partitions},1)}}.{{wildcard(1)}}`
  },
  // With the retention `work-queue`, each acknowledgement would delete a message with a synced write. The retention
  // `interest` would drop messages that come while no consumer exists.
  retention: "limits",
  storage: "file",
  discard: "new",
  max_bytes: settings.inputBytesMax,
  max_msg_size: messageBytesMax,
  num_replicas: settings.replicas,
  duplicate_window: nanosecondsOf(settings.duplicateWindow),
  metadata: { [partitionsMetadata]: String(settings.partitions) }
})

const versionOf = (text: string): ReadonlyArray<number> => text.split(/[.-]/).slice(0, 3).map(Number)

const isOlder = (version: ReadonlyArray<number>, than: ReadonlyArray<number>): boolean => {
  for (const [index, needed] of than.entries()) {
    const part = version[index] ?? 0
    if (part !== needed) return part < needed
  }
  return false
}

const withoutJetStream = () =>
  new TopologyMismatch({
    problem: "The broker runs without JetStream. Start it with the project's nats.conf, or with -js."
  })

const formerLayout = () =>
  new TopologyMismatch({
    problem: `The stream ${formerLedgerStream} holds accounts in the layout of an earlier version. Stop all workers and edges, and run: npm run upgrade`
  })

/**
 * Returns whether the broker still has accounts in the layout of an earlier version, because the upgrade is not
 * complete.
 */
const isFormerLayout = Effect.fnUntraced(function* (connection: BrokerConnection) {
  const former = yield* streamConfigOf(connection, formerLedgerStream)
  if (former === undefined) return false
  const journal = yield* streamConfigOf(connection, journalStream)
  return journal?.metadata?.[upgradeMetadata] !== upgradeDone
})

const missing = (stream: string) =>
  new TopologyMismatch({
    problem: `The stream ${stream} is missing on the broker. Create the streams first: node src/main.ts --role setup`
  })

/**
 * Fails if the broker of this connection is too old. Logs a warning if the broker of this connection has no JetStream.
 */
const checkBroker = Effect.fnUntraced(function* (connection: BrokerConnection) {
  const server = connection.client.info
  const version = server?.version ?? "0"
  if (server === undefined || isOlder(versionOf(version), brokerVersionMin)) {
    const needed = brokerVersionMin.join(".")
    return yield* new TopologyMismatch({
      problem: `The broker is nats-server ${version}; ${needed} or newer is needed. Upgrade it or set NATS_URL.`
    })
  }
  // In a cluster, a broker with a full disk goes on without JetStream, and passes JetStream requests to the other
  // brokers.
  const hasJetStream = server.jetstream === true
  if (!hasJetStream) yield* Effect.logWarning("a broker without JetStream; looking for another that has it")
  return { hasJetStream, messageBytesMax: Math.floor(server.max_payload / 2) }
})

/**
 * If this connection's broker has no JetStream, and no other broker answers, replaces a failure by the message that no
 * broker has JetStream.
 */
const orWithoutJetStream =
  (hasJetStream: boolean) =>
  <A, R>(asked: Effect.Effect<A, BrokerFailure, R>): Effect.Effect<A, BrokerFailure | TopologyMismatch, R> =>
    Effect.catchTag(asked, "BrokerUnavailable", (gone) => Effect.fail(hasJetStream ? gone : withoutJetStream()))

/** Returns the configuration of a stream. Waits about a minute for a missing stream, and then fails. */
const presentStream = Effect.fnUntraced(function* (connection: BrokerConnection, name: string) {
  const found = Effect.filterOrFail(
    streamConfigOf(connection, name),
    (config): config is StreamConfig => config !== undefined,
    () => missing(name)
  )
  const told = Effect.logWarning("waiting for the setup of the streams").pipe(
    Effect.annotateLogs({ missing: name }),
    Effect.delay(missingLoggedAfter)
  )
  const retried = Effect.retry(found, {
    while: (failure) => failure._tag === "TopologyMismatch",
    schedule: Schedule.spaced(missingRetryWait).pipe(Schedule.upTo({ times: missingRetriesMax }))
  })
  return yield* Effect.raceFirst(retried, Effect.andThen(told, Effect.never))
})

/** Returns the number of partitions that the input log was created with. */
const partitionsOf = (input: StreamConfig): Effect.Effect<number, TopologyMismatch> => {
  const partitions = Number(input.metadata?.[partitionsMetadata])
  return Number.isInteger(partitions) && partitions >= 1
    ? Effect.succeed(partitions)
    : Effect.fail(
        new TopologyMismatch({
          problem: `The stream ${inputStream} exists without its number of partitions. It was made by something else: move it away.`
        })
      )
}

/** Creates the input log if it is missing. */
export const ensureInput = Effect.fnUntraced(function* (settings: InputSettings) {
  const connection = yield* Connection
  const { hasJetStream, messageBytesMax } = yield* checkBroker(connection)
  return yield* ensureStream(connection, inputConfig(settings, messageBytesMax)).pipe(orWithoutJetStream(hasJetStream))
})

/** Creates the journal if it is missing. Changes the bound of an existing journal to the bound that the settings name. */
const ensureJournal = Effect.fnUntraced(function* (
  connection: BrokerConnection,
  { replicas, journalBytesMax }: Pick<TopologySettings, "replicas" | "journalBytesMax">
) {
  const config = journalConfig(replicas, Option.getOrUndefined(journalBytesMax))
  const found = yield* ensureStream(connection, config)
  if (Option.isNone(journalBytesMax) || found.max_bytes === journalBytesMax.value) return
  yield* updateStream(connection, { ...found, max_bytes: journalBytesMax.value })
})

/**
 * Creates the stream of alerts if it is missing. Fails if the stream has another number of shards than the settings
 * name.
 */
const ensureAlerts = Effect.fnUntraced(function* (
  connection: BrokerConnection,
  { replicas, judgeShards }: Pick<TopologySettings, "replicas" | "judgeShards">
) {
  const { metadata } = yield* ensureStream(connection, alertStreamConfig(replicas, Option.getOrUndefined(judgeShards)))
  const shards = shardsOf(metadata)
  if (Option.contains(judgeShards, shards) || Option.isNone(judgeShards)) return
  return yield* new TopologyMismatch({
    problem: `The alerts on the broker have ${shards} ${shards === 1 ? "shard" : "shards"}, and the setting JUDGE_SHARDS is ${judgeShards.value}. The number of shards is fixed when the setup creates the stream ${alertsStream}. Set JUDGE_SHARDS=${shards}, or leave JUDGE_SHARDS out.`
  })
})

/**
 * Creates the missing streams, and adds replicas to streams that have too few replicas. Only the role `admin` may run
 * `setUpStreams`. Processes of all other roles only check whether the streams exist.
 */
export const setUpStreams = Effect.fnUntraced(function* (settings: TopologySettings) {
  const connection = yield* Connection
  const input = yield* ensureInput(settings)
  if (yield* isFormerLayout(connection)) return yield* formerLayout()
  yield* partitionsOf(input)
  const { replicas } = settings
  yield* ensureJournal(connection, settings)
  for (const config of [headsConfig, workersConfig]) yield* ensureStream(connection, config(replicas))
  yield* ensureAlerts(connection, settings)
  for (const config of [tokensConfig, auditConfig]) yield* ensureStream(connection, config(replicas))
})

/** Checks that the streams exist on the broker, and has the bounds of the streams. The setup creates the streams. */
export class Topology extends Context.Service<
  Topology,
  {
    /** The number of partitions that the input log was created with. */
    readonly partitions: number
    /** The most bytes of one message of the input log: half of the broker's `max_payload`. */
    readonly messageBytesMax: number
  }
>()("purchases/nats/Topology") {
  static readonly layer = Layer.effect(
    Topology,
    Effect.gen(function* () {
      const connection = yield* Connection
      const { hasJetStream, messageBytesMax } = yield* checkBroker(connection)
      const input = yield* presentStream(connection, inputStream).pipe(
        Effect.catchTag("BrokerUnavailable", (gone) => Effect.fail(hasJetStream ? gone : withoutJetStream()))
      )
      if (yield* isFormerLayout(connection)) return yield* formerLayout()
      const partitions = yield* partitionsOf(input)
      const streams = [journalStream, headsStream, workersStream, alertsStream, tokensStream, auditStream]
      for (const stream of streams) yield* presentStream(connection, stream)
      return Topology.of({ partitions, messageBytesMax })
    })
  )
}
