import { Effect } from "effect"
import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from "nats"
import { BrokerUnavailable, OutcomeUnknown } from "../domain/BrokerError.ts"

/** The most requests that wait for an answer on one connection; above it a request fails as unavailable. */
export const requestsWaitingMax = 65_536

const sweepEveryMilliseconds = 100
const noResponders = 503

interface Waiting {
  readonly deadline: number
  readonly operation: string
  /** Takes an answer, and says whether it was the last. */
  readonly answered: (message: Msg) => boolean
  readonly failed: (failure: Effect.Effect<never, BrokerUnavailable | OutcomeUnknown>) => void
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
  /** Publishes and gathers all answers, of which the last one is known when it comes. */
  readonly requestAll: (
    request: Request,
    isLast: (message: Msg) => boolean
  ) => Effect.Effect<ReadonlyArray<Msg>, BrokerUnavailable | OutcomeUnknown>
  /** Fails everything that waits: the connection is gone, so no answer will come. */
  readonly disconnected: () => void
  readonly close: () => void
}

const unanswered = (waiting: Waiting, reason: string) =>
  waiting.failed(Effect.fail(new OutcomeUnknown({ operation: waiting.operation, reason })))

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
      if (message.data.length > 0 || message.headers?.code !== noResponders) {
        if (waiting.answered(message)) waitingByToken.delete(token)
        return
      }
      waitingByToken.delete(token)
      const { operation } = waiting
      waiting.failed(
        Effect.fail(
          new BrokerUnavailable({ operation, reason: "nobody there answers such requests now", unserved: true })
        )
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

  const publishing = <A>(
    request: Request,
    answeredBy: (succeed: (answer: A) => void) => Waiting["answered"]
  ): Effect.Effect<A, BrokerUnavailable | OutcomeUnknown> =>
    Effect.callback((settle) => {
      const { operation } = request
      const unavailable = (reason: string) => settle(Effect.fail(new BrokerUnavailable({ operation, reason })))
      if (!isConnected()) return unavailable("not connected")
      if (waitingByToken.size >= requestsWaitingMax) return unavailable(`${requestsWaitingMax} requests wait already`)
      tokens += 1
      const token = tokens.toString(36)
      waitingByToken.set(token, {
        deadline: performance.now() + request.timeoutMilliseconds,
        operation,
        answered: answeredBy((answer) => settle(Effect.succeed(answer))),
        failed: settle
      })
      try {
        request.before?.()
        const headers = request.headers === undefined ? undefined : { headers: request.headers }
        connection.publish(request.subject, request.payload, { reply: prefix + token, ...headers })
      } catch {
        waitingByToken.delete(token)
        return unavailable("the connection does not take the request")
      }
      return Effect.sync(() => void waitingByToken.delete(token))
    })

  const request: RequestInbox["request"] = (request) =>
    publishing<Msg>(request, (succeed) => (message) => {
      succeed(message)
      return true
    })

  const requestAll: RequestInbox["requestAll"] = (request, isLast) =>
    publishing<ReadonlyArray<Msg>>(request, (succeed) => {
      const messages: Array<Msg> = []
      return (message) => {
        messages.push(message)
        if (!isLast(message)) return false
        succeed(messages)
        return true
      }
    })

  const disconnected = () => {
    const lost = Array.from(waitingByToken.values())
    waitingByToken.clear()
    for (const waiting of lost) unanswered(waiting, "the connection broke")
  }

  return {
    request,
    requestAll,
    disconnected,
    close: () => {
      clearInterval(sweep)
      subscription.unsubscribe()
    }
  }
}
