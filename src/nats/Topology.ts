import { Context, type Duration, Effect, Layer, Schema } from "effect"
import { formerLedgerStream, inputStream, journalStream, partitionFilter } from "../protocol/Subject.ts"
import { type BrokerConnection, Connection } from "./client/Connection.ts"
import { nanosecondsOf } from "./client/Nanoseconds.ts"
import { ensureStream, streamConfigOf } from "./client/StreamSetup.ts"

/** The oldest broker that the tests have run on. */
const brokerVersionMin = [2, 15, 0] as const
/** The entry that the upgrade writes into the metadata of the journal when the upgrade is complete. */
export const upgradeMetadata = "purchases.upgrade"
export const upgradeDone = "done"
/** The key in the metadata of the input log under which its number of partitions stands. */
export const partitionsMetadata = "purchases.partitions"

/** The broker is too old, has no JetStream, or has a stream that this version cannot use. Nothing was changed. */
export class TopologyMismatch extends Schema.TaggedError<TopologyMismatch>()("TopologyMismatch", {
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

export interface TopologySettings {
  /** The number of partitions that a new input log gets. An existing input log keeps its number of partitions. */
  readonly partitions: number
  readonly replicas: number
  /** The time for which the broker drops messages whose id it has stored. */
  readonly duplicateWindow: Duration.Duration
  /** The most bytes that the input log keeps. A full log refuses purchases. */
  readonly inputBytesMax: number
}

const inputConfig = (settings: TopologySettings, messageBytesMax: number) => ({
  name: inputStream,
  description: "Purchases as they came in; what is applied is purged later",
  // Each partition has a subject of its own here, so that the broker refuses messages to a partition that does not
  // exist.
  subjects: [
    "purchases.*",
    ...Array.from({ length: settings.partitions }, (_, partition) => partitionFilter(partition))
  ],
  subject_transform: {
    src: "purchases.*",
    dest: `purchases.{{partition(${settings.partitions},1)}}.{{wildcard(1)}}`
  },
  // With the retention `work-queue`, each acknowledgement would be a synced delete. The retention `interest` would drop
  // messages that come while no consumer exists.
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

/** Returns whether the broker has accounts in the layout of an earlier version whose upgrade is not complete. */
const isFormerLayout = Effect.fnUntraced(function* (connection: BrokerConnection) {
  const former = yield* streamConfigOf(connection, formerLedgerStream)
  if (former === undefined) return false
  const journal = yield* streamConfigOf(connection, journalStream)
  return journal?.metadata?.[upgradeMetadata] !== upgradeDone
})

/** The input log on the broker, and its bounds. The log is created if it is missing. */
export class Topology extends Context.Service<
  Topology,
  {
    /** The number of partitions that the input log was created with. */
    readonly partitions: number
    /** The most bytes of one message of the input log: half of the broker's `max_payload`. */
    readonly messageBytesMax: number
  }
>()("purchases/nats/Topology") {
  static readonly layer = (settings: TopologySettings) =>
    Layer.effect(
      Topology,
      Effect.gen(function* () {
        const connection = yield* Connection
        const server = connection.client.info
        const version = server?.version ?? "0"
        if (server === undefined || isOlder(versionOf(version), brokerVersionMin)) {
          const needed = brokerVersionMin.join(".")
          return yield* new TopologyMismatch({
            problem: `The broker is nats-server ${version}; ${needed} or newer is needed. Upgrade it or set NATS_URL.`
          })
        }
        // If the disk of a broker in a cluster is full, that broker goes on without JetStream. It passes requests on to
        // the other brokers.
        const hasJetStream = server.jetstream === true
        if (!hasJetStream) yield* Effect.logWarning("a broker without JetStream; looking for another that has it")
        const messageBytesMax = Math.floor(server.max_payload / 2)

        const input = yield* ensureStream(connection, inputConfig(settings, messageBytesMax)).pipe(
          Effect.catchTag("BrokerUnavailable", (gone) => Effect.fail(hasJetStream ? gone : withoutJetStream()))
        )
        if (yield* isFormerLayout(connection)) return yield* formerLayout()
        const partitions = Number(input.metadata?.[partitionsMetadata])
        if (!Number.isInteger(partitions) || partitions < 1) {
          return yield* new TopologyMismatch({
            problem: `The stream ${inputStream} exists without its number of partitions. It was made by something else: move it away.`
          })
        }
        return Topology.of({ partitions, messageBytesMax })
      })
    )
}
