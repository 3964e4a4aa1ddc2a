import { Deferred, Duration, Effect, Latch, Schema, type Scope } from "effect"
import { type Msg, nuid } from "nats"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { journalStream } from "../protocol/Subject.ts"
import { isAckSubject, pendingAfter, readAckSubject } from "./client/AckSubject.ts"
import type { BrokerConnection } from "./client/Connection.ts"
import { askJetStream } from "./client/JetStreamApi.ts"
import { goneReasonOf, isGone, isHeartbeat, isOversized } from "./client/JetStreamStatus.ts"
import { nanosecondsOf } from "./client/Nanoseconds.ts"
import { PullDemand } from "./PullDemand.ts"

/** The time after which a pull request ends by itself, and this process makes the next pull request. */
const pullExpires = Duration.seconds(30)
/** The longest time between two heartbeats of the broker for a pull request. */
const heartbeat = Duration.seconds(1)
/** The time of silence of the broker during a pull request after which {@link JournalPull} fails with `ReadingOver`. */
const silenceMaxMilliseconds = 3 * Duration.toMillis(heartbeat)
/** The time after which the broker removes a consumer of the journal from which nobody pulls. */
const inactiveMax = Duration.seconds(10)
/**
 * The messages and bytes of one pull request. A process makes a pull request only if no pull request is in flight, and
 * if it holds at most the content of one request. A process therefore holds at most the content of two pull requests.
 */
const requestMessages = 256
const requestBytes = 4 * 1024 * 1024

/** A message of the journal that a consumer has delivered. */
export interface PulledMessage {
  readonly subject: string
  readonly sequence: number
  /** The time at which the broker stored the message, in milliseconds since 1970. */
  readonly storedAt: number
  readonly payload: Uint8Array
  /** The number of messages that the consumer still had to deliver when it delivered this message. */
  readonly pending: number
}

/**
 * The failure of a {@link JournalPull}: a delivery is missing, the broker was silent, or the connection broke. After
 * `ReadingOver`, the caller opens a new pull behind the last message that the caller has finished.
 */
export class ReadingOver extends Schema.TaggedError<ReadingOver>()("ReadingOver", {
  reason: Schema.String
}) {
  override get message() {
    return `the reading of the journal ended: ${this.reason}`
  }
}

/** The start of a consumer: the first message after a sequence, or the newest message of each subject. */
export type PullStart = { readonly after: number } | "newest of each subject"

const policyOf = (start: PullStart) =>
  start === "newest of each subject"
    ? { deliver_policy: "last_per_subject" }
    : { deliver_policy: "by_start_sequence", opt_start_seq: start.after + 1 }

const configOf = (name: string, filter: string, start: PullStart) => ({
  name,
  filter_subject: filter,
  ack_policy: "none",
  ...policyOf(start),
  mem_storage: true,
  num_replicas: 1,
  inactive_threshold: nanosecondsOf(inactiveMax)
})

/** Makes the pull requests of one consumer, and holds the delivered messages, in order and without a gap. */
class PullState {
  heardAt = performance.now()
  private readonly connection: Pick<BrokerConnection, "client" | "isConnected">
  private readonly subject: string
  private readonly inbox: string
  private readonly end: (reason: string) => void
  private readonly demand = new PullDemand()
  private delivered = 0
  private held: Array<PulledMessage> = []
  private heldBytes = 0
  private isRequestFilled = false
  readonly arrived = Latch.makeUnsafe(false)

  constructor(
    connection: Pick<BrokerConnection, "client" | "isConnected">,
    consumer: string,
    inbox: string,
    end: (reason: string) => void
  ) {
    this.connection = connection
    this.subject = `$JS.API.CONSUMER.MSG.NEXT.${consumer}`
    this.inbox = inbox
    this.end = end
  }

  /**
   * Returns for how many milliseconds the broker has been silent during a pull request; 0 if no pull request is in
   * flight.
   */
  silence(): number {
    return this.demand.size === 0 ? 0 : performance.now() - this.heardAt
  }

  take(message: Msg): void {
    this.heardAt = performance.now()
    if (message.reply === undefined || !isAckSubject(message.reply)) return this.takeStatus(message)
    const { sequence, deliverySequence, storedAt } = readAckSubject(message.reply)
    if (deliverySequence !== this.delivered + 1) return this.end("a delivery is missing")
    this.delivered = deliverySequence
    const { subject, data } = message
    this.held.push({ subject, sequence, storedAt, payload: data, pending: pendingAfter(message.reply) })
    this.heldBytes += data.length
    this.isRequestFilled = true
    this.demand.delivered(data.length)
    this.ask()
    this.arrived.openUnsafe()
  }

  /** Removes and returns all messages that `PullState` holds. */
  takeHeld(): ReadonlyArray<PulledMessage> {
    const { held } = this
    this.held = []
    this.heldBytes = 0
    this.arrived.closeUnsafe()
    this.ask()
    return held
  }

  /** Makes a pull request if no pull request is in flight, and if there is room for the messages of a request. */
  ask(): void {
    if (this.demand.size > 0 || this.held.length > requestMessages || this.heldBytes > requestBytes) return
    this.request({ batch: requestMessages, max_bytes: requestBytes })
  }

  private request(limits: { readonly batch: number; readonly max_bytes?: number }): void {
    // Without a connection to the broker, this process makes no pull request. When a lost connection is back, the pull
    // fails with `ReadingOver`.
    if (!this.connection.isConnected()) return
    const id = this.demand.add(limits.batch, limits.max_bytes ?? 0)
    this.isRequestFilled = false
    this.heardAt = performance.now()
    const body = { ...limits, expires: nanosecondsOf(pullExpires), idle_heartbeat: nanosecondsOf(heartbeat) }
    this.connection.client.publish(this.subject, JSON.stringify(body), { reply: this.inbox + id })
  }

  private takeStatus(message: Msg): void {
    const last = message.headers?.get("Nats-Last-Consumer") ?? ""
    if (last !== "" && Number(last) !== this.delivered) return this.end("a delivery before a heartbeat is missing")
    if (isHeartbeat(message)) return
    if (isGone(message)) return this.end(`the consumer is gone: ${goneReasonOf(message)}`)
    this.demand.end(message.subject.slice(this.inbox.length))
    // If the next message is larger than a whole pull request, this process requests only this message, without a bound
    // on its size.
    if (isOversized(message) && !this.isRequestFilled) this.request({ batch: 1 })
    else this.ask()
  }
}

/** A read of a stream in order, through a consumer from which this process pulls. */
export interface JournalPull {
  /** The number of messages that the consumer had to deliver at its creation. */
  readonly pending: number
  /**
   * Waits until this process holds messages, and returns all held messages in order. Fails with `ReadingOver` if no
   * further message can be read.
   */
  readonly take: Effect.Effect<ReadonlyArray<PulledMessage>, ReadingOver>
}

/** The messages of a stream that are pulled, and the name of the consumer. */
export interface PulledMessages {
  readonly stream: string
  readonly filter: string
  readonly name: string
}

/** Creates a consumer of a stream, and pulls from the consumer until the caller's scope closes. */
export const openStreamPull = (
  connection: BrokerConnection,
  { stream, filter, name }: PulledMessages,
  start: PullStart
): Effect.Effect<JournalPull, BrokerFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const inbox = `${connection.newInbox()}.`
    const over = Deferred.makeUnsafe<never, ReadingOver>()
    const end = (reason: string) => void Deferred.doneUnsafe(over, Effect.fail(new ReadingOver({ reason })))
    const state = new PullState(connection, `${stream}.${name}`, inbox, end)
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        connection.client.subscribe(`${inbox}*`, { callback: (_error, message) => state.take(message) })
      ),
      (subscription) => Effect.sync(() => subscription.unsubscribe())
    )
    yield* connection.onReconnect(() => end("the connection broke"))
    const { num_pending: pending } = yield* askJetStream<{ readonly num_pending: number }>(
      connection,
      `CONSUMER.CREATE.${stream}.${name}.${filter}`,
      { stream_name: stream, config: configOf(name, filter, start) }
    )
    state.ask()
    yield* Effect.forkScoped(
      Effect.gen(function* () {
        while (state.silence() < silenceMaxMilliseconds) yield* Effect.sleep(heartbeat)
        end("the broker was silent")
      })
    )
    const held = Effect.map(state.arrived.await, () => state.takeHeld())
    return { pending, take: Effect.raceFirst(Deferred.await(over), held) }
  })

/**
 * Creates a consumer of the journal, and pulls from the consumer until the scope closes. The name of the consumer begins
 * with the word for its reader.
 */
export const openJournalPull = (connection: BrokerConnection, filter: string, start: PullStart, reader = "judge") =>
  openStreamPull(connection, { stream: journalStream, filter, name: `${reader}-${nuid.next()}` }, start)
