import { Duration, Effect, Latch } from "effect"
import type { NatsConnection } from "nats"

/**
 * The time for which an acknowledgement waits for further acknowledgements. No edge waits for acknowledgements of
 * messages, because notices report applied purchases. If a worker sent acknowledgements one by one, each
 * acknowledgement would wake the broker, and each confirmation would wake the worker.
 */
const gatherTime = Duration.millis(20)
/**
 * The number of waiting acknowledgements at which all waiting acknowledgements are sent. The number
 * {@link acknowledgedTogetherMax} is far below the number of unacknowledged deliveries that a consumer may have.
 */
const acknowledgedTogetherMax = 64

/**
 * Sends the acknowledgements of one consumer. Acknowledgements that were sent together get one confirmation from the
 * broker.
 */
export interface Acknowledgements {
  /** Acknowledges the delivery with the given reply subject soon, together with other deliveries. */
  readonly add: (subject: string) => void
  /** Called when the broker has confirmed the acknowledgements of one sending. */
  readonly heard: () => void
  /**
   * Sends the waiting acknowledgements, and waits until the broker has confirmed all acknowledgements. Only a process
   * that stops calls `confirmed`.
   */
  readonly confirmed: Effect.Effect<void>
  /** Drops the waiting acknowledgements. The broker delivers the unacknowledged messages to the next owner. */
  readonly close: () => void
}

/**
 * Makes the sender of acknowledgements. The broker sends its confirmations to the subject `confirmation`. Without a
 * connection to the broker, waiting acknowledgements are dropped.
 */
export const makeAcknowledgements = (
  client: Pick<NatsConnection, "publish">,
  isConnected: () => boolean,
  confirmation: string
): Acknowledgements => {
  let waiting: Array<string> = []
  let timer: NodeJS.Timeout | undefined
  let unconfirmed = 0
  const allConfirmed = Latch.makeUnsafe(true)

  const drop = () => {
    clearTimeout(timer)
    timer = undefined
    const subjects = waiting
    waiting = []
    return subjects
  }

  const send = () => {
    const subjects = drop()
    const last = subjects.pop()
    if (last === undefined || !isConnected()) return
    for (const subject of subjects) client.publish(subject, "+ACK")
    unconfirmed += 1
    allConfirmed.closeUnsafe()
    // The broker takes a consumer's acknowledgements in the order in which they were sent, so the confirmation of the
    // last acknowledgement confirms all earlier acknowledgements.
    client.publish(last, "+ACK", { reply: confirmation })
  }

  return {
    add: (subject) => {
      waiting.push(subject)
      if (waiting.length >= acknowledgedTogetherMax) send()
      else timer ??= setTimeout(send, Duration.toMillis(gatherTime))
    },
    heard: () => {
      unconfirmed -= 1
      if (unconfirmed === 0) allConfirmed.openUnsafe()
    },
    confirmed: Effect.suspend(() => {
      send()
      return allConfirmed.await
    }),
    close: drop
  }
}
