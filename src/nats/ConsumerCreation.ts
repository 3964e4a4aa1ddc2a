import { Duration, Effect } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { inputStream, partitionFilter } from "../protocol/Subject.ts"
import type { BrokerConnection } from "./client/Connection.ts"
import { askJetStreamOnce } from "./client/JetStreamApi.ts"
import { nanosecondsOf } from "./client/Nanoseconds.ts"

/**
 * The wait for a consumer before a second consumer is created. The cluster may place a consumer on a broker that has
 * just died, which the cluster notices only minutes later. The first consumer that answers is used.
 */
const hedgeWait = Duration.millis(400)
const createTimeoutMilliseconds = 5_000
/**
 * The most consumers that are created for one epoch. If one of three brokers is dead, it is unlikely that all consumers
 * are placed on the dead one.
 */
const attemptsMax = 5
/**
 * The time after which a delivery without an acknowledgement comes again. Its purchases are repeats then, so it costs
 * little.
 */
const ackWait = Duration.seconds(30)
/** The broker removes a consumer without a pull for this long, like that of a worker that crashed. */
const inactiveMax = Duration.minutes(5)

/** The consumer to create. */
export interface EpochConsumer {
  readonly partition: number
  readonly epoch: number
  /** The input sequence of the first delivery. */
  readonly from: number
  /** The most deliveries without an acknowledgement. At this number, the broker delivers no more. */
  readonly unacknowledgedMax: number
}

const prefixOf = (partition: number): string => `p${partition}-`

/** Returns the name of an epoch's consumer. The names of later attempts end with their number, from 2. */
export const consumerName = (partition: number, epoch: number, attempt: number): string =>
  attempt === 1 ? `${prefixOf(partition)}${epoch}` : `${prefixOf(partition)}${epoch}-${attempt}`

/** Returns whether a consumer belongs to an earlier epoch of a partition. */
export const isOfEarlierEpoch = (name: string, partition: number, epoch: number): boolean => {
  const prefix = prefixOf(partition)
  return name.startsWith(prefix) && Number.parseInt(name.slice(prefix.length), 10) < epoch
}

const configOf = (name: string, { partition, from, unacknowledgedMax }: EpochConsumer) => ({
  name,
  durable_name: name,
  filter_subject: partitionFilter(partition),
  ack_policy: "explicit",
  ack_wait: nanosecondsOf(ackWait),
  max_ack_pending: unacknowledgedMax,
  deliver_policy: "by_start_sequence",
  opt_start_seq: from,
  // The position is in the chain, so losing acknowledgements is harmless. On disk each of them would be a synced write,
  // and replicas would have to elect a leader first.
  mem_storage: true,
  num_replicas: 1,
  inactive_threshold: nanosecondsOf(inactiveMax)
})

/** Creates the consumer of an epoch, with further attempts beside the first if it is slow. Returns the attempt that won. */
export const createConsumer = (
  connection: Pick<BrokerConnection, "request">,
  wanted: EpochConsumer
): Effect.Effect<number, BrokerFailure> => {
  const createOnce = (attempt: number) => {
    const name = consumerName(wanted.partition, wanted.epoch, attempt)
    const subject = `CONSUMER.CREATE.${inputStream}.${name}.${partitionFilter(wanted.partition)}`
    const body = { stream_name: inputStream, config: configOf(name, wanted) }
    return Effect.as(askJetStreamOnce<object>(connection, subject, body, createTimeoutMilliseconds), attempt)
  }
  const createFrom = (attempt: number): Effect.Effect<number, BrokerFailure> => {
    const created = createOnce(attempt)
    if (attempt === attemptsMax) return created
    const next = Effect.suspend(() => createFrom(attempt + 1))
    return Effect.raceFirst(created, Effect.delay(next, hedgeWait))
  }
  return createFrom(1)
}
