import { Duration, Effect, Latch } from "effect"
import type { NatsConnection } from "nats"

/**
 * The time that an acknowledgement waits for others. No edge waits for it, because notices report applied purchases.
 * Each message wakes the broker, and its confirmation wakes the worker.
 */
const gatherTime = Duration.millis(20)
/**
 * At this number they are sent at once. It is far below the number of deliveries that a consumer may have without an
 * acknowledgement.
 */
const acknowledgedTogetherMax = 64

/** Sends the acknowledgements of one consumer. Those that are sent together are confirmed together. */
export interface Acknowledgements {
  /** Acknowledges the delivery with this reply subject soon, together with others. */
  readonly add: (subject: string) => void
  /** Takes note of a confirmation of the broker. */
  readonly heard: () => void
  /** Sends those that wait, and waits until the broker has confirmed all. Only a process that stops needs it. */
  readonly confirmed: Effect.Effect<void>
  /** Drops those that wait. The broker delivers their messages again, to the next owner. */
  readonly close: () => void
}

/** Makes acknowledgements whose confirmations come to a subject. Without a connection they are dropped. */
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
    // The broker takes a consumer's acknowledgements in the order in which they were sent, so this confirms all of them.
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
