import { Effect } from "effect"
import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from "nats"
import { BrokerUnavailable, OutcomeUnknown } from "../domain/BrokerError.ts"

/** The most requests that wait for an answer on one connection; above it a request fails as unavailable. */
export const requestsWaitingMax = 65_536

const sweepEveryMilliseconds = 100
const noResponders = 503

interface Waiting {
  readonly deadline: number
  readonly settle: (result: Effect.Effect<Msg, BrokerUnavailable | OutcomeUnknown>) => void
  readonly operation: string
}

export interface Request {
  /** Names the request in errors. */
  readonly operation: string
  readonly subject: string
  readonly payload: Uint8Array | string
  readonly headers?: MsgHdrs
  readonly timeoutMilliseconds: number
  /** Published right before the request, in the same turn: the members of a batch before its last. */
  readonly before?: () => void
}

export interface RequestInbox {
  /** Publishes and waits for one answer. */
  readonly request: (request: Request) => Effect.Effect<Msg, BrokerUnavailable | OutcomeUnknown>
  /** Fails everything that waits: the connection is gone, so no answer will come. */
  readonly disconnected: () => void
  readonly close: () => void
}

const unanswered = (waiting: Waiting, reason: string) =>
  waiting.settle(Effect.fail(new OutcomeUnknown({ operation: waiting.operation, reason })))

/**
 * Requests over one subscription of its own. The client's `request` makes a timer and a promise for each call, which
 * costs several times as much; here one sweep looks after all deadlines, and an answer is late by up to 100 ms.
 */
export const makeRequestInbox = (connection: NatsConnection, isConnected: () => boolean): RequestInbox => {
  const prefix = `${createInbox()}.`
  const waitingByToken = new Map<string, Waiting>()
  let tokens = 0

  const subscription = connection.subscribe(`${prefix}*`, {
    callback: (_error, message) => {
      const token = message.subject.slice(prefix.length)
      const waiting = waitingByToken.get(token)
      if (waiting === undefined) return
      waitingByToken.delete(token)
      const refused = message.data.length === 0 && message.headers?.code === noResponders
      waiting.settle(
        refused
          ? Effect.fail(
              new BrokerUnavailable({
                operation: waiting.operation,
                reason: "nobody serves this subject",
                unserved: true
              })
            )
          : Effect.succeed(message)
      )
    }
  })

  const sweep = setInterval(() => {
    const now = performance.now()
    for (const [token, waiting] of waitingByToken) {
      if (waiting.deadline > now) continue
      waitingByToken.delete(token)
      unanswered(waiting, "no answer in time")
    }
  }, sweepEveryMilliseconds)

  const request: RequestInbox["request"] = (request) =>
    Effect.callback<Msg, BrokerUnavailable | OutcomeUnknown>((settle) => {
      const { operation } = request
      const unavailable = (reason: string) => settle(Effect.fail(new BrokerUnavailable({ operation, reason })))
      if (!isConnected()) return unavailable("not connected")
      if (waitingByToken.size >= requestsWaitingMax) return unavailable(`${requestsWaitingMax} requests wait already`)
      tokens += 1
      const token = tokens.toString(36)
      waitingByToken.set(token, { deadline: performance.now() + request.timeoutMilliseconds, settle, operation })
      try {
        request.before?.()
        const headers = request.headers === undefined ? undefined : { headers: request.headers }
        connection.publish(request.subject, request.payload, { reply: prefix + token, ...headers })
      } catch (cause) {
        waitingByToken.delete(token)
        return unavailable(String(cause))
      }
      return Effect.sync(() => void waitingByToken.delete(token))
    })

  const disconnected = () => {
    const lost = Array.from(waitingByToken.values())
    waitingByToken.clear()
    for (const waiting of lost) unanswered(waiting, "the connection broke")
  }

  return {
    request,
    disconnected,
    close: () => {
      clearInterval(sweep)
      subscription.unsubscribe()
    }
  }
}
