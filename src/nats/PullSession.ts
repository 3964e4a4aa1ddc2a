import { Duration, Effect, type Scope } from "effect"
import type { Msg } from "nats"
import { inputStream } from "../protocol/Subject.ts"
import { type Acknowledgements, makeAcknowledgements } from "./client/Acknowledgements.ts"
import type { BrokerConnection } from "./client/Connection.ts"
import { type Delivery, deliveryOf, isDelivery, type ReadDelivery } from "./Delivery.ts"
import { goneReasonOf, isGone, isHeartbeat, isOversized } from "./client/JetStreamStatus.ts"
import { nanosecondsOf } from "./client/Nanoseconds.ts"
import { type Demand, PullDemand } from "./PullDemand.ts"

/** The time after which a pull request ends by itself, and the owner makes the next pull request. */
const pullExpires = Duration.seconds(30)
/** The longest time between two heartbeats of the broker for a pull request. */
export const pullHeartbeat = Duration.seconds(1)

/**
 * The last token of the subject on which the broker confirms acknowledgements. The reply subjects of pull requests end
 * with a number instead.
 */
const confirmation = "confirmed"

/** Makes the pull requests of one consumer, and acknowledges deliveries. */
export interface Pull {
  /** Makes a pull request for up to a number of messages and up to a number of bytes. */
  readonly request: (messages: number, bytes: number) => void
  /** Returns the numbers of messages and bytes that were requested and not delivered yet. */
  readonly outstanding: () => Demand
  /**
   * Acknowledges a delivery soon, together with other deliveries, and asks the broker to confirm the acknowledgement.
   * The caller may acknowledge a delivery only after the commits with the delivery's purchases are durable.
   */
  readonly acknowledge: (delivery: ReadDelivery) => void
  /** Waits until the broker has confirmed all acknowledgements. Only a process that stops calls `confirmed`. */
  readonly confirmed: Effect.Effect<void>
  /**
   * Returns for how many milliseconds the broker has been silent during a pull request; 0 if no pull request is in
   * flight.
   */
  readonly silence: () => number
}

/** The events of a pull, for the owner of the partition. */
export interface PullEvents {
  readonly delivered: (delivery: Delivery) => void
  /**
   * Called when a pull request has ended before all requested messages came, so that the owner may make another pull
   * request.
   */
  readonly ended: () => void
  /** Called when a pull request has ended because the next message has more bytes than the request allows. */
  readonly oversized: () => void
  /** Called when the consumer no longer exists, because a later owner deleted the consumer, or the broker lost it. */
  readonly lost: (reason: string) => void
}

/** Holds the pull requests in flight of one consumer, and the time of the broker's last message. */
class PullSession {
  private readonly demand = new PullDemand()
  private heardAt = performance.now()
  private readonly connection: BrokerConnection
  private readonly consumer: string
  private readonly inbox: string
  private readonly events: PullEvents
  readonly acknowledgements: Acknowledgements

  constructor(connection: BrokerConnection, consumer: string, inbox: string, events: PullEvents) {
    this.connection = connection
    this.consumer = consumer
    this.inbox = inbox
    this.events = events
    this.acknowledgements = makeAcknowledgements(connection.client, connection.isConnected, inbox + confirmation)
  }

  take(message: Msg): void {
    this.heardAt = performance.now()
    if (message.subject === this.inbox + confirmation) return this.acknowledgements.heard()
    if (!isDelivery(message)) return this.takeStatus(message)
    const delivery = deliveryOf(message)
    this.demand.delivered(delivery.bytes)
    this.events.delivered(delivery)
  }

  request(messages: number, bytes: number): void {
    const id = this.demand.add(messages, bytes)
    if (this.demand.size === 1) this.heardAt = performance.now()
    if (!this.connection.isConnected()) return
    const body = {
      batch: messages,
      max_bytes: bytes,
      expires: nanosecondsOf(pullExpires),
      idle_heartbeat: nanosecondsOf(pullHeartbeat)
    }
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${inputStream}.${this.consumer}`
    this.connection.client.publish(subject, JSON.stringify(body), { reply: this.inbox + id })
  }

  outstanding(): Demand {
    return this.demand.outstanding()
  }

  /**
   * Returns for how many milliseconds the broker has been silent. Returns 0 without a pull request, because the broker
   * then sends no heartbeats. A worker makes no pull request while the worker holds as much input as its bounds allow.
   */
  silence(): number {
    return this.demand.size === 0 ? 0 : performance.now() - this.heardAt
  }

  private takeStatus(message: Msg): void {
    if (isHeartbeat(message)) return
    this.demand.end(message.subject.slice(this.inbox.length))
    if (isGone(message)) this.events.lost(goneReasonOf(message))
    else if (isOversized(message)) this.events.oversized()
    else this.events.ended()
  }
}

/** Pulls from a consumer of the input log until the Effect scope closes. */
export const openPull = (
  connection: BrokerConnection,
  consumer: string,
  events: PullEvents
): Effect.Effect<Pull, never, Scope.Scope> =>
  Effect.gen(function* () {
    const inbox = `${connection.newInbox()}.`
    const session = new PullSession(connection, consumer, inbox, events)
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        connection.client.subscribe(`${inbox}*`, { callback: (_error, message) => session.take(message) })
      ),
      (subscription) =>
        Effect.sync(() => {
          session.acknowledgements.close()
          subscription.unsubscribe()
        })
    )
    return {
      request: (messages, bytes) => session.request(messages, bytes),
      outstanding: () => session.outstanding(),
      acknowledge: ({ acknowledgeSubject }) => session.acknowledgements.add(acknowledgeSubject),
      confirmed: session.acknowledgements.confirmed,
      silence: () => session.silence()
    }
  })
