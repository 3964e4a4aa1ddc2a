import { Context, Duration, Effect, Fiber, Layer, type Scope } from "effect"
import { connect, Events, type NatsConnection } from "nats"
import { BrokerUnavailable, type OutcomeUnknown } from "../../protocol/BrokerError.ts"
import { type BrokerAddress, readBrokerAddress } from "./BrokerAddress.ts"
import { makeRequestInbox, type Request, type RequestInbox } from "./RequestInbox.ts"

/** The time after which a starting process logs that it waits for its broker. */
const connectWaitLoggedAfter = Duration.seconds(2)
/** The wait before the client tries to reach the broker again. A random time of up to the same length is added. */
const reconnectRetryWait = Duration.millis(100)
/** The time between two pings. A broker that answers neither of two pings counts as gone. */
const pingInterval = Duration.seconds(2)
const pingsUnansweredMax = 2
/** The time that a stopping process waits until the broker has taken its last messages. */
const flushTimeout = Duration.millis(250)

export interface ConnectionSettings {
  readonly url: string
  /** The name under which the broker lists this connection. */
  readonly name: string
}

export interface BrokerConnection {
  readonly client: NatsConnection
  readonly request: RequestInbox["request"]
  readonly requestAll: RequestInbox["requestAll"]
  readonly isConnected: () => boolean
  /**
   * Returns whether a majority of the cluster's brokers can be reached. The broker of this connection lists the
   * addresses of the brokers that it reaches. A majority is more than half of the most addresses that it ever listed.
   * Callers wait less if the result is `false`. The result is wrong if brokers have several addresses each, or if a
   * broker was removed for good.
   */
  readonly hasMajority: () => boolean
  /** Calls the listener each time the connection is back after a loss, until the scope closes. */
  readonly onReconnect: (listener: () => void) => Effect.Effect<void, never, Scope.Scope>
}

const acquire = ({ servers, isEncrypted, credentials }: BrokerAddress, name: string) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      connect({
        servers: [...servers],
        ...credentials,
        // Without this the client ignores `tls://`, and sends its password in the clear to a broker that offers no TLS.
        ...(isEncrypted ? { tls: {} } : {}),
        name,
        waitOnFirstConnect: true,
        maxReconnectAttempts: -1,
        reconnectTimeWait: Duration.toMillis(reconnectRetryWait),
        reconnectJitter: Duration.toMillis(reconnectRetryWait),
        pingInterval: Duration.toMillis(pingInterval),
        maxPingOut: pingsUnansweredMax,
        timeout: Duration.toMillis(pingInterval)
      })
    ),
    // The last published messages still go out, for instance answers that decline questions.
    (client) =>
      Effect.promise(() => client.flush().catch(() => undefined)).pipe(
        Effect.timeoutOption(flushTimeout),
        Effect.andThen(Effect.promise(() => client.close()))
      )
  )

/** Returns the failure of an operation that needs a majority of the brokers, while most brokers are gone. */
export const noMajority = (operation: string): BrokerUnavailable =>
  new BrokerUnavailable({ operation, reason: "most brokers of the cluster are gone" })

/**
 * Makes the function `hasMajority`. A broker tells its clients the addresses of the cluster's brokers when brokers come
 * and go.
 */
const makeMajority = (client: NatsConnection): (() => boolean) => {
  let most = 1
  return () => {
    const reachable = client.info?.connect_urls?.length ?? 1
    most = Math.max(most, reachable)
    return reachable * 2 > most
  }
}

/**
 * The one connection of a process to its broker, for the services in `src/nats`. The connection reconnects by itself.
 */
export class Connection extends Context.Service<Connection, BrokerConnection>()("purchases/nats/Connection") {
  static readonly layer = (settings: ConnectionSettings) =>
    Layer.effect(
      Connection,
      Effect.gen(function* () {
        const address = readBrokerAddress(settings.url)
        const url = address.servers.join(",")
        const waiting = yield* Effect.forkChild(
          Effect.logWarning(
            address.isEncrypted ? "waiting for a broker that offers TLS" : "waiting for the broker"
          ).pipe(Effect.annotateLogs({ url }), Effect.delay(connectWaitLoggedAfter))
        )
        const client = yield* acquire(address, settings.name)
        yield* Fiber.interrupt(waiting)
        const run = Effect.runForkWith(yield* Effect.context<never>())
        const listeners = new Set<() => void>()
        const hasMajority = makeMajority(client)
        let connected = true
        let isClosing = false
        const inbox = yield* Effect.acquireRelease(
          Effect.sync(() => makeRequestInbox(client, () => connected)),
          (opened) => Effect.sync(() => opened.close())
        )
        const lost = () => {
          if (!connected || isClosing) return
          connected = false
          run(Effect.logWarning("broker gone").pipe(Effect.annotateLogs({ url })))
          inbox.disconnected()
        }
        const back = () => {
          if (connected) return
          connected = true
          run(Effect.logInfo("broker back").pipe(Effect.annotateLogs({ url: client.getServer() })))
          for (const listener of listeners) listener()
        }
        const watch = async () => {
          for await (const status of client.status()) {
            hasMajority()
            if (status.type === Events.Disconnect) lost()
            else if (status.type === Events.Reconnect) back()
          }
        }
        void watch()
        void client.closed().then(lost)
        yield* Effect.addFinalizer(() => Effect.sync(() => void (isClosing = true)))

        const onReconnect = (listener: () => void) =>
          Effect.acquireRelease(
            Effect.sync(() => void listeners.add(listener)),
            () => Effect.sync(() => void listeners.delete(listener))
          )

        // Without a majority there can be no election, so another attempt soon would not help.
        const withoutMajority = (failure: BrokerUnavailable | OutcomeUnknown) =>
          failure._tag === "BrokerUnavailable" && failure.unserved === true && !hasMajority()
            ? noMajority(failure.operation)
            : failure

        return Connection.of({
          client,
          request: (request: Request) => Effect.mapError(inbox.request(request), withoutMajority),
          requestAll: (request, isLast) => Effect.mapError(inbox.requestAll(request, isLast), withoutMajority),
          isConnected: () => connected,
          hasMajority,
          onReconnect
        })
      })
    )
}
