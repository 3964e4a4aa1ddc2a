import { Context, Effect, Fiber, Layer, type Scope } from "effect"
import { connect, Events, type NatsConnection } from "nats"
import { BrokerUnavailable, type OutcomeUnknown } from "../domain/BrokerError.ts"
import { type BrokerAddress, readBrokerAddress } from "./BrokerAddress.ts"
import { makeRequestInbox, type Request, type RequestInbox } from "./RequestInbox.ts"

/** A process that starts before its broker waits for it, and says so after this long. */
const connectWaitSaidAfterMilliseconds = 2_000
/** How long the client waits between attempts to reach the broker again. */
const reconnectWaitMilliseconds = 100
/** A broker that answers none of two pings, two seconds apart, is gone. */
const pingIntervalMilliseconds = 2_000
const pingsUnansweredMax = 2

/** How long a process that stops waits for a broker to take what it said last. */
const lastWordsWaitMilliseconds = 250

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
   * Whether the broker of this connection knows of more than half of the addresses that its cluster had at most. A
   * hint to be less patient: it is wrong where brokers have several addresses each, or some were taken away for good.
   */
  readonly hasMajority: () => boolean
  /** Calls the listener each time the connection was lost and is there again, until the scope closes. */
  readonly onReconnect: (listener: () => void) => Effect.Effect<void, never, Scope.Scope>
}

const acquire = ({ servers, credentials }: BrokerAddress, name: string) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      connect({
        servers: [...servers],
        ...credentials,
        name,
        waitOnFirstConnect: true,
        maxReconnectAttempts: -1,
        reconnectTimeWait: reconnectWaitMilliseconds,
        reconnectJitter: reconnectWaitMilliseconds,
        pingInterval: pingIntervalMilliseconds,
        maxPingOut: pingsUnansweredMax,
        timeout: pingIntervalMilliseconds
      })
    ),
    // What was said last still goes out, such as that a query is not answered here any more.
    (client) =>
      Effect.promise(() => client.flush().catch(() => undefined)).pipe(
        Effect.timeoutOption(lastWordsWaitMilliseconds),
        Effect.andThen(Effect.promise(() => client.close()))
      )
  )

/** The failure of what needs a majority of brokers while there is none. */
export const noMajority = (operation: string): BrokerUnavailable =>
  new BrokerUnavailable({ operation, reason: "most brokers of the cluster are gone" })

/** Counts the addresses of brokers, of which a broker tells its clients as others come and go. */
const makeMajority = (client: NatsConnection): (() => boolean) => {
  let most = 1
  return () => {
    const reachable = client.info?.connect_urls?.length ?? 1
    most = Math.max(most, reachable)
    return reachable * 2 > most
  }
}

/** The one connection of a process to its broker; it comes back by itself for as long as the process lives. */
export class Connection extends Context.Service<Connection, BrokerConnection>()("purchases/nats/Connection") {
  static readonly layer = (settings: ConnectionSettings) =>
    Layer.effect(
      Connection,
      Effect.gen(function* () {
        const address = readBrokerAddress(settings.url)
        const url = address.servers.join(",")
        const waiting = yield* Effect.forkChild(
          Effect.logWarning("waiting for the broker").pipe(
            Effect.annotateLogs({ url }),
            Effect.delay(connectWaitSaidAfterMilliseconds)
          )
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

        // Without a majority nobody will serve it soon: there can be no election.
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
