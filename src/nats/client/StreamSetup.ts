import { Duration, Effect, Schedule } from "effect"
import type { BrokerFailure } from "../../protocol/BrokerError.ts"
import type { BrokerConnection } from "./Connection.ts"
import { apiCode, askJetStream } from "./JetStreamApi.ts"

/**
 * The most retries of a request by a starting process. The retries take about a minute, in which a broker may restart,
 * or a cluster may elect its leaders. An election takes some seconds, and longer on a busy machine.
 */
const retriesMax = 240
const retryWait = Duration.millis(250)

export interface StreamConfig {
  readonly name: string
  readonly num_replicas: number
  /** The most bytes of the stream; -1 for a stream without a bound. */
  readonly max_bytes?: number
  readonly metadata?: Record<string, string>
}

interface StreamInfo {
  readonly config: StreamConfig
}

/**
 * Retries a request of a starting process, for at most a minute. A request is retried while the broker has no leader,
 * or while brokers of the cluster have not started. If the broker refuses the request for any other reason, the process
 * does not retry the request.
 */
export const untilReady = <A, R>(asked: Effect.Effect<A, BrokerFailure, R>): Effect.Effect<A, BrokerFailure, R> =>
  Effect.retry(asked, {
    while: (failure) => failure._tag !== "BrokerRefused" || failure.code === apiCode.noPeers,
    schedule: Schedule.spaced(retryWait).pipe(Schedule.upTo({ times: retriesMax }))
  })

/**
 * Returns the settings of an existing stream that have to change. The setup adds replicas, and never removes replicas.
 */
const lacking = (found: StreamConfig, wanted: StreamConfig): Partial<StreamConfig> =>
  found.num_replicas < wanted.num_replicas ? { num_replicas: wanted.num_replicas } : {}

type Asking = Pick<BrokerConnection, "request" | "hasMajority">

const askConfig = (connection: Asking, subject: string, body: object): Effect.Effect<StreamConfig, BrokerFailure> =>
  Effect.map(askJetStream<StreamInfo>(connection, subject, body), ({ config }) => config)

const findConfig = (connection: Asking, name: string): Effect.Effect<StreamConfig | undefined, BrokerFailure> =>
  askConfig(connection, `STREAM.INFO.${name}`, {}).pipe(
    Effect.catchTag("BrokerRefused", (refused) =>
      refused.code === apiCode.streamNotFound ? Effect.undefined : Effect.fail(refused)
    )
  )

/** Changes the configuration of an existing stream. Returns the actual configuration of the stream. */
export const updateStream = (connection: Asking, config: StreamConfig): Effect.Effect<StreamConfig, BrokerFailure> =>
  untilReady(askConfig(connection, `STREAM.UPDATE.${config.name}`, config))

/** Returns the configuration of a stream; `undefined` if the stream does not exist. */
export const streamConfigOf = (
  connection: Asking,
  name: string
): Effect.Effect<StreamConfig | undefined, BrokerFailure> => untilReady(findConfig(connection, name))

/**
 * Creates a stream if it is missing. Adds replicas to a stream with too few replicas, for instance after a move to a
 * cluster. Returns the actual configuration of the stream, which another process may have set.
 */
export const ensureStream = (connection: Asking, config: StreamConfig): Effect.Effect<StreamConfig, BrokerFailure> => {
  const { name } = config
  const created = askConfig(connection, `STREAM.CREATE.${name}`, config).pipe(
    Effect.catchTag("BrokerRefused", (lost) =>
      lost.code === apiCode.streamNameInUse ? askConfig(connection, `STREAM.INFO.${name}`, {}) : Effect.fail(lost)
    )
  )
  return Effect.gen(function* () {
    const found = (yield* findConfig(connection, name)) ?? (yield* created)
    const changes = lacking(found, config)
    return Object.keys(changes).length === 0
      ? found
      : yield* askConfig(connection, `STREAM.UPDATE.${name}`, { ...found, ...changes })
  }).pipe(untilReady)
}
