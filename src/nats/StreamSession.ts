import { Deferred, Duration, Effect, type Scope } from "effect"
import { type Msg, type NatsConnection, nuid } from "nats"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { readAckSubject } from "./client/AckSubject.ts"
import type { BrokerConnection } from "./client/Connection.ts"
import { askJetStream, type StoredMessage } from "./client/JetStreamApi.ts"
import { statusOf } from "./client/JetStreamStatus.ts"
import { nanosecondsOf } from "./client/Nanoseconds.ts"

/** The longest time between two heartbeats of the broker for a consumer. */
const heartbeat = Duration.seconds(2)
/**
 * The time of silence of a consumer after which the session of the consumer ends. The next session makes another
 * consumer.
 */
const silenceMaxMilliseconds = 3 * Duration.toMillis(heartbeat)
/**
 * The time after which the broker removes a consumer without a listener, for instance the consumer of a crashed edge.
 */
const inactiveMax = Duration.seconds(10)

/** The messages that a session follows: the messages of a stream whose subject fits a filter. */
export interface FollowedSubjects {
  readonly stream: string
  readonly filter: string
}

const consumerConfig = (name: string, inbox: string, filter: string, after: number) => ({
  name,
  deliver_subject: inbox,
  filter_subject: filter,
  ack_policy: "none",
  deliver_policy: "by_start_sequence",
  opt_start_seq: after + 1,
  mem_storage: true,
  num_replicas: 1,
  flow_control: true,
  idle_heartbeat: nanosecondsOf(heartbeat),
  inactive_threshold: nanosecondsOf(inactiveMax)
})

/** The functions that a session calls when a message comes, and when the session ends. */
interface SessionEvents {
  readonly heard: (message: StoredMessage) => void
  readonly ended: (reason: string) => void
}

/**
 * Takes the deliveries of one consumer, and calls `heard` with each delivered message. A missing delivery ends the
 * session of the consumer.
 */
export class SessionDeliveries {
  /** The time of the broker's last message, by `performance.now()`. */
  heardAt = performance.now()
  private delivered = 0
  private readonly client: Pick<NatsConnection, "publish">
  private readonly events: SessionEvents

  constructor(client: Pick<NatsConnection, "publish">, events: SessionEvents) {
    this.client = client
    this.events = events
  }

  take(message: Msg): void {
    this.heardAt = performance.now()
    if (statusOf(message) === 0) this.takeStored(message)
    else this.takeStatus(message)
  }

  private takeStored(message: Msg): void {
    const { sequence, deliverySequence, storedAt } = readAckSubject(message.reply ?? "")
    if (deliverySequence !== this.delivered + 1) return this.events.ended("a delivery is missing")
    this.delivered += 1
    this.events.heard({ subject: message.subject, sequence, storedAt, text: message.string() })
  }

  private takeStatus(message: Msg): void {
    // A status of the broker with a reply subject asks whether this process keeps up with the messages. This process
    // publishes to the reply subject only after it has taken all earlier messages.
    const question = message.reply ?? message.headers?.get("Nats-Consumer-Stalled") ?? ""
    if (question !== "") this.client.publish(question)
    const last = Number(message.headers?.get("Nats-Last-Consumer") || this.delivered)
    if (last !== this.delivered) this.events.ended("a delivery before the newest heartbeat is missing")
  }
}

/**
 * Calls `heard` with the messages of a stream behind a sequence, in order, through a consumer that only this session
 * uses. Returns why the session ended: a missing delivery, a silent broker, or a connection that broke.
 */
export const runStreamSession = (
  connection: BrokerConnection,
  { stream, filter }: FollowedSubjects,
  after: number,
  heard: (message: StoredMessage) => void
): Effect.Effect<string, BrokerFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const name = `feed-${nuid.next()}`
    const inbox = connection.newInbox()
    const over = Deferred.makeUnsafe<string>()
    const ended = (reason: string) => void Deferred.doneUnsafe(over, Effect.succeed(reason))
    const deliveries = new SessionDeliveries(connection.client, { heard, ended })
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        connection.client.subscribe(inbox, { callback: (_error, message) => deliveries.take(message) })
      ),
      (subscription) => Effect.sync(() => subscription.unsubscribe())
    )
    yield* connection.onReconnect(() => ended("the connection broke"))
    yield* askJetStream(connection, `CONSUMER.CREATE.${stream}.${name}.${filter}`, {
      stream_name: stream,
      config: consumerConfig(name, inbox, filter, after)
    })
    const silent = Effect.gen(function* () {
      while (performance.now() - deliveries.heardAt < silenceMaxMilliseconds) yield* Effect.sleep(heartbeat)
      return "the broker was silent"
    })
    return yield* Effect.raceFirst(Deferred.await(over), silent)
  })
