import { Duration, Effect } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { inputStream, partitionFilter } from "../protocol/Subject.ts"
import type { BrokerConnection } from "./client/Connection.ts"
import { askJetStreamOnce } from "./client/JetStreamApi.ts"
import { nanosecondsOf } from "./client/Nanoseconds.ts"

/**
 * The time after which a worker creates a second consumer, if the first consumer is not ready. The cluster may place a
 * consumer on a broker that has just died, because the cluster notices the death only minutes later. The worker uses
 * the first consumer that is ready.
 */
const hedgeWait = Duration.millis(400)
const createTimeoutMilliseconds = 5_000
/**
 * The most consumers that a worker creates for one epoch. If one of three brokers is dead, the cluster hardly ever
 * places all of these consumers on the dead broker.
 */
const attemptsMax = 5
/**
 * The time after which the broker delivers a message again if the message was not acknowledged. A second delivery of a
 * message costs little, because the purchases of the message are repeats.
 */
const ackWait = Duration.seconds(30)
/**
 * The time after which the broker removes a consumer from which nobody pulls, for instance the consumer of a crashed
 * worker.
 */
const inactiveMax = Duration.minutes(5)

/** The properties of the consumer to create. */
export interface EpochConsumer {
  readonly partition: number
  readonly epoch: number
  /** The input sequence of the first delivery. */
  readonly from: number
  /**
   * The most delivered messages that are not acknowledged. At this number of unacknowledged messages, the broker
   * delivers no further message until the worker acknowledges a message.
   */
  readonly unacknowledgedMax: number
}

const prefixOf = (partition: number): string => `p${partition}-`

/**
 * Returns the name of an epoch's consumer. From the second attempt to create the consumer on, the name ends with the
 * number of the attempt.
 */
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
  // The consumer of an epoch is kept in memory, without replicas. The loss of a consumer's acknowledgements is
  // harmless, because the position of the partition is in the chain. If the consumer were on disk, each acknowledgement
  // would be a synced write. If the consumer had replicas, a new consumer would have to elect a leader first.
  mem_storage: true,
  num_replicas: 1,
  inactive_threshold: nanosecondsOf(inactiveMax)
})

/**
 * Creates the consumer of an epoch. If the first attempt to create the consumer is slow, makes further attempts at the
 * same time. Returns the number of the attempt that succeeded first.
 */
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
