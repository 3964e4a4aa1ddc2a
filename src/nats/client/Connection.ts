import { Context, Duration, Effect, Fiber, Layer, Schedule, type Scope } from "effect"
import { connect, createInbox, type ConnectionOptions, Events, type NatsConnection } from "nats"
import { BrokerUnavailable, type OutcomeUnknown } from "../../protocol/BrokerError.ts"
import { closeAbandonedDials } from "./AbandonedDial.ts"
import { type BrokerAddress, readBrokerAddress } from "./BrokerAddress.ts"
import { connectionOptions, type CredentialFiles, type CredentialsRefused } from "./BrokerCredentials.ts"
import type { BrokerRole } from "./BrokerRole.ts"
import { MajorityContact } from "./MajorityContact.ts"
import { makeRequestInbox, type Request, type RequestInbox } from "./RequestInbox.ts"

/** The time after which a starting process logs that the process waits for its broker. */
const connectWaitLoggedAfter = Duration.seconds(2)
/**
 * The wait between two attempts of the client to connect to the broker again. The client adds a random time of up to
 * the same length.
 */
const reconnectRetryWait = Duration.millis(100)
/**
 * The time between two pings to the broker. If the broker answers neither of two pings in a row, the connection counts
 * as lost.
 */
const pingInterval = Duration.seconds(2)
const pingsUnansweredMax = 2
/** The longest time for which a stopping process waits until the broker has taken the last messages of the process. */
const flushTimeout = Duration.millis(250)

export interface ConnectionSettings {
  readonly url: string
  /** The name under which the broker lists this connection. */
  readonly name: string
  /**
   * The role in which this process connects. The role decides which key the process uses, and on which subjects the
   * process gets answers.
   */
  readonly role: BrokerRole
  readonly files?: CredentialFiles
}

export interface BrokerConnection {
  readonly client: NatsConnection
  /** Returns a new subject for answers, to which only this connection's role may subscribe. */
  readonly newInbox: () => string
  /** Opens another connection to the same broker in another role. The connection closes with the caller's scope. */
  readonly inRole: (role: BrokerRole) => Effect.Effect<BrokerConnection, CredentialsRefused, Scope.Scope>
  readonly request: RequestInbox["request"]
  readonly requestAll: RequestInbox["requestAll"]
  readonly isConnected: () => boolean
  /** Returns whether the broker of this connection belongs to a cluster. */
  readonly isClustered: () => boolean
  /**
   * Returns whether a majority of the cluster's brokers can be reached. The broker of this connection lists the
   * addresses of the brokers that it reaches. A majority is more than half of the most addresses that the broker has
   * ever listed. Callers wait less if `hasMajority` returns `false`, and make no other use of the result. The result of
   * `hasMajority` is wrong if brokers have several addresses each, or if a broker was removed for good.
   */
  readonly hasMajority: () => boolean
  /** Notes that the broker has stored a message, which this process sent at `sentAt` by `performance.now`. */
  readonly noteStored: (sentAt: number) => void
  /**
   * Returns whether the answers of leaders are current, and not those of a former leader that was cut off. Always
   * returns `true` for a broker outside of a cluster. See {@link MajorityContact}.
   */
  readonly areLeadersCurrent: () => boolean
  /** Calls the listener each time a lost connection is back, until the caller's scope closes. */
  readonly onReconnect: (listener: () => void) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * Connects to the first broker that answers, and tries each address once. Fails with the reason of the last attempt.
 */
const connectOnce = (servers: ReadonlyArray<string>, options: ConnectionOptions, name: string) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: () =>
        connect({
          ...options,
          servers: [...servers],
          name,
          maxReconnectAttempts: -1,
          // An operator may change the key of a role first at the broker, and later in this process. Without
          // `ignoreAuthErrorAbort`, the client would give up after the broker has refused the old key twice.
          ignoreAuthErrorAbort: true,
          reconnectTimeWait: Duration.toMillis(reconnectRetryWait),
          reconnectJitter: Duration.toMillis(reconnectRetryWait),
          pingInterval: Duration.toMillis(pingInterval),
          maxPingOut: pingsUnansweredMax,
          timeout: Duration.toMillis(pingInterval)
        }),
      catch: (cause) => (cause instanceof Error ? cause : new Error(String(cause)))
    }),
    // The connection sends its last published messages before it closes, for instance answers that refuse questions.
    (client) =>
      Effect.promise(() => client.flush().catch(() => undefined)).pipe(
        Effect.timeoutOption(flushTimeout),
        Effect.andThen(Effect.promise(() => client.close()))
      )
  )

/**
 * Connects to the broker, and repeats the attempt until the attempt succeeds. After some seconds, logs once why the
 * process waits for the broker.
 */
const acquire = Effect.fnUntraced(function* (
  { servers, isEncrypted }: BrokerAddress,
  options: ConnectionOptions,
  name: string
) {
  let reason = "no answer yet"
  const told = Effect.suspend(() =>
    Effect.logWarning(isEncrypted ? "waiting for a broker that offers TLS" : "waiting for the broker").pipe(
      Effect.annotateLogs({ url: servers.join(","), reason })
    )
  )
  const waiting = yield* Effect.forkChild(Effect.delay(told, connectWaitLoggedAfter))
  const client = yield* connectOnce(servers, options, name).pipe(
    Effect.tapError((failure) => Effect.sync(() => void (reason = failure.message))),
    Effect.retry({ schedule: Schedule.spaced(reconnectRetryWait) }),
    Effect.orDie
  )
  yield* Fiber.interrupt(waiting)
  return client
})

/**
 * Returns the failure of an operation that needs a majority of brokers, for the time in which most brokers are gone.
 */
export const noMajority = (operation: string): BrokerUnavailable =>
  new BrokerUnavailable({ operation, reason: "most brokers of the cluster are gone" })

/** Returns the failure of a read whose answer may be that of a former leader that is cut off. */
export const leaderCutOff = (operation: string): BrokerUnavailable =>
  new BrokerUnavailable({ operation, reason: "its leader may be cut off from the other brokers" })

/**
 * Makes the function `hasMajority`. A broker sends its clients the addresses of the cluster's brokers whenever a broker
 * joins or leaves the cluster.
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
 * Calls the listeners of a client when the connection is lost, when the connection is back, and when the broker refuses
 * a subject.
 */
const watchStatus = async (
  client: NatsConnection,
  told: { readonly lost: () => void; readonly back: () => void; readonly refused: (reason: string) => void },
  hasMajority: () => boolean
): Promise<void> => {
  void client.closed().then(told.lost)
  for await (const status of client.status()) {
    hasMajority()
    if (status.type === Events.Disconnect) told.lost()
    else if (status.type === Events.Reconnect) told.back()
    else if (status.type === Events.Error)
      told.refused(`${status.data} ${JSON.stringify(status.permissionContext ?? {})}`)
  }
}

/** Opens a connection, which closes with the caller's scope. Waits for the broker without a bound on the time. */
const openConnection = (
  settings: ConnectionSettings
): Effect.Effect<BrokerConnection, CredentialsRefused, Scope.Scope> =>
  Effect.gen(function* () {
    closeAbandonedDials()
    const address = readBrokerAddress(settings.url)
    const options = yield* connectionOptions(settings.files ?? {}, settings.role, address)
    const url = address.servers.join(",")
    const client = yield* acquire(address, options, settings.name)
    const newInbox = () => createInbox(options.inboxPrefix)
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const listeners = new Set<() => void>()
    const hasMajority = makeMajority(client)
    const contact = new MajorityContact()
    const isClustered = () => client.info?.cluster !== undefined
    let connected = true
    let isClosing = false
    const inbox = yield* Effect.acquireRelease(
      Effect.sync(() => makeRequestInbox(client, newInbox(), () => connected)),
      (opened) => Effect.sync(() => opened.close())
    )
    const lost = () => {
      if (!connected || isClosing) return
      connected = false
      contact.lost()
      run(Effect.logWarning("broker gone").pipe(Effect.annotateLogs({ url })))
      inbox.disconnected()
    }
    const back = () => {
      if (connected) return
      connected = true
      run(Effect.logInfo("broker back").pipe(Effect.annotateLogs({ url: client.getServer() })))
      for (const listener of listeners) listener()
    }
    // The operation that used the refused subject fails later, because no answer comes.
    const refused = (reason: string) => {
      const { role } = settings
      run(Effect.logError("the broker refuses something to this role").pipe(Effect.annotateLogs({ role, reason })))
    }
    void watchStatus(client, { lost, back, refused }, hasMajority)
    yield* Effect.addFinalizer(() => Effect.sync(() => void (isClosing = true)))

    const onReconnect = (listener: () => void) =>
      Effect.acquireRelease(
        Effect.sync(() => void listeners.add(listener)),
        () => Effect.sync(() => void listeners.delete(listener))
      )

    // Without a majority of brokers, the cluster cannot elect a leader, so an early second attempt would not help.
    const withoutMajority = (failure: BrokerUnavailable | OutcomeUnknown) =>
      failure._tag === "BrokerUnavailable" && failure.unserved === true && !hasMajority()
        ? noMajority(failure.operation)
        : failure

    return {
      client,
      newInbox,
      inRole: (role) => openConnection({ ...settings, role, name: `${role} of ${settings.name}` }),
      request: (request: Request) => Effect.mapError(inbox.request(request), withoutMajority),
      requestAll: (request, isLast) => Effect.mapError(inbox.requestAll(request, isLast), withoutMajority),
      isConnected: () => connected,
      isClustered,
      hasMajority,
      noteStored: (sentAt) => contact.stored(sentAt, performance.now()),
      areLeadersCurrent: () => !isClustered() || contact.isCurrent(performance.now()),
      onReconnect
    }
  })

/**
 * The one connection of a process to its broker, for the services in `src/nats`. A lost connection reconnects by
 * itself.
 */
export class Connection extends Context.Service<Connection, BrokerConnection>()("purchases/nats/Connection") {
  static readonly layer = (settings: ConnectionSettings) => Layer.effect(Connection, openConnection(settings))
}
