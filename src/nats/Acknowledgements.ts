import { Effect, Latch } from "effect"
import type { NatsConnection } from "nats"

/**
 * How long an acknowledgement waits for others, in milliseconds. Nobody waits for one: what is applied is told by
 * notices, and nothing but a second delivery rests on it. Each that leaves alone wakes the broker, and its confirmation
 * the worker.
 */
const acknowledgeWithinMilliseconds = 20
/** So many leave without waiting longer; far fewer than a consumer may have unacknowledged. */
const acknowledgedTogetherMax = 64

/** The acknowledgements of one consumer. Those that leave together are confirmed together. */
export interface Acknowledgements {
  readonly add: (subject: string) => void
  /** A confirmation came. */
  readonly heard: () => void
  /** Sends what waits, and waits until the broker has confirmed all; only a process that stops has a reason to. */
  readonly confirmed: Effect.Effect<void>
  /** Sends nothing more: the broker will deliver what it was not told of once more, to whoever pulls then. */
  readonly close: () => void
}

/** Acknowledgements whose confirmations come to a subject. Without a connection they are dropped. */
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
    // The broker takes those of a consumer in the order in which they were sent, so this is the confirmation of all.
    client.publish(last, "+ACK", { reply: confirmation })
  }

  return {
    add: (subject) => {
      waiting.push(subject)
      if (waiting.length >= acknowledgedTogetherMax) send()
      else timer ??= setTimeout(send, acknowledgeWithinMilliseconds)
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
