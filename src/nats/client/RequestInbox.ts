import { Duration, Effect } from "effect"
import { type Msg, type MsgHdrs, type NatsConnection } from "nats"
import { BrokerUnavailable, OutcomeUnknown } from "../../protocol/BrokerError.ts"
import { isUnserved } from "./JetStreamStatus.ts"

/**
 * The most requests of one connection that wait for an answer. Requests above this number fail with
 * `BrokerUnavailable`.
 */
export const requestsWaitingMax = 65_536

/** The time between two checks for requests whose deadline has passed. */
const sweepEvery = Duration.millis(100)

type RequestFailure = BrokerUnavailable | OutcomeUnknown

/** A request that waits for its answer. */
interface Waiting {
  /** The time at which the wait for the answer ends, by `performance.now()`. */
  readonly deadline: number
  readonly operation: string
  /** Takes an answer to the request, and returns whether no further answer is expected. */
  readonly answered: (message: Msg) => boolean
  readonly failed: (failure: Effect.Effect<never, RequestFailure>) => void
}

export interface Request {
  /** The name of the request in the messages of errors; the name begins with a verb. */
  readonly operation: string
  readonly subject: string
  readonly payload: Uint8Array | string
  readonly headers?: MsgHdrs
  /**
   * The longest wait for an answer. The wait is a plain number of milliseconds, because a `Duration` for each message
   * would cost too much.
   */
  readonly timeoutMilliseconds: number
}

export interface RequestInbox {
  /** Publishes a request, and waits for its one answer. */
  readonly request: (request: Request) => Effect.Effect<Msg, RequestFailure>
  /** Publishes a request, and gathers its answers up to the last answer. */
  readonly requestAll: (
    request: Request,
    isLast: (message: Msg) => boolean
  ) => Effect.Effect<ReadonlyArray<Msg>, RequestFailure>
  /** Fails all requests that wait, because no answer comes over a lost connection. */
  readonly disconnected: () => void
  readonly close: () => void
}

/** The requests that wait for an answer, by the token of their reply subject. */
class WaitingRequests {
  private readonly byToken = new Map<string, Waiting>()
  private tokens = 0

  get size(): number {
    return this.byToken.size
  }

  /** Adds a request, and returns its token. */
  add(waiting: Waiting): string {
    this.tokens += 1
    const token = this.tokens.toString(36)
    this.byToken.set(token, waiting)
    return token
  }

  forget(token: string): void {
    this.byToken.delete(token)
  }

  /**
   * Passes an answer to the request that waits for the answer. Drops an answer if no request waits for the answer any
   * more.
   */
  take(token: string, message: Msg): void {
    const waiting = this.byToken.get(token)
    if (waiting === undefined) return
    if (isUnserved(message)) {
      this.byToken.delete(token)
      const reason = "no process answers such requests now"
      waiting.failed(Effect.fail(new BrokerUnavailable({ operation: waiting.operation, reason, unserved: true })))
    } else if (waiting.answered(message)) this.byToken.delete(token)
  }

  /** Fails the requests whose deadline has passed. */
  failOverdue(now: number): void {
    for (const [token, waiting] of this.byToken) {
      if (waiting.deadline > now) continue
      this.byToken.delete(token)
      this.fail(waiting, "no answer in time")
    }
  }

  failAll(reason: string): void {
    const lost = Array.from(this.byToken.values())
    this.byToken.clear()
    for (const waiting of lost) this.fail(waiting, reason)
  }

  private fail({ operation, failed }: Waiting, reason: string): void {
    failed(Effect.fail(new OutcomeUnknown({ operation, reason })))
  }
}

/**
 * Makes an inbox whose requests share one subscription, below the subject `inbox`. The client's own `request` costs
 * more, because it makes a timer and a promise for each call. The inbox has no timer for each request, and checks all
 * deadlines together at regular times.
 */
export const makeRequestInbox = (
  connection: NatsConnection,
  inbox: string,
  isConnected: () => boolean
): RequestInbox => {
  const prefix = `${inbox}.`
  const requests = new WaitingRequests()
  const subscription = connection.subscribe(`${prefix}*`, {
    callback: (_error, message) => requests.take(message.subject.slice(prefix.length), message)
  })
  const sweep = setInterval(() => requests.failOverdue(performance.now()), Duration.toMillis(sweepEvery))

  const publishing = <A>(
    request: Request,
    answeredBy: (succeed: (answer: A) => void) => Waiting["answered"]
  ): Effect.Effect<A, RequestFailure> =>
    Effect.callback((settle) => {
      const { operation } = request
      const unavailable = (reason: string) => settle(Effect.fail(new BrokerUnavailable({ operation, reason })))
      if (!isConnected()) return unavailable("not connected")
      if (requests.size >= requestsWaitingMax) return unavailable(`${requestsWaitingMax} requests wait already`)
      const token = requests.add({
        deadline: performance.now() + request.timeoutMilliseconds,
        operation,
        answered: answeredBy((answer) => settle(Effect.succeed(answer))),
        failed: settle
      })
      try {
        const headers = request.headers === undefined ? undefined : { headers: request.headers }
        connection.publish(request.subject, request.payload, { reply: prefix + token, ...headers })
      } catch {
        requests.forget(token)
        return unavailable("the connection does not take the request")
      }
      return Effect.sync(() => requests.forget(token))
    })

  return {
    request: (request) =>
      publishing<Msg>(request, (succeed) => (message) => {
        succeed(message)
        return true
      }),
    requestAll: (request, isLast) =>
      publishing<ReadonlyArray<Msg>>(request, (succeed) => {
        const messages: Array<Msg> = []
        return (message) => {
          messages.push(message)
          if (!isLast(message)) return false
          succeed(messages)
          return true
        }
      }),
    disconnected: () => requests.failAll("the connection broke"),
    close: () => {
      clearInterval(sweep)
      subscription.unsubscribe()
    }
  }
}
