import { Context, Effect, Layer, type Scope } from "effect"
import type { NatsConnection, Service } from "nats"
import { BrokerUnavailable, type OutcomeUnknown } from "../protocol/BrokerError.ts"
import { inspectionFilter, querySubject } from "../protocol/Subject.ts"
import { Connection, noMajority } from "./client/Connection.ts"

/** The name under which `nats micro list` shows the epochs that answer questions. */
const serviceName = "ledger"
const serviceVersion = "1.0.0"

interface Served {
  readonly service: Service
  readonly stop: () => void
}

/**
 * Adds a micro service to a connection. The client library keeps a stopped service and its handler until the connection
 * closes. Each service therefore gets an object instead of the connection, which looks like a closed connection once
 * the service stops.
 */
const addService = async (
  client: NatsConnection,
  config: Parameters<NatsConnection["services"]["add"]>[0]
): Promise<Served> => {
  const stopped = Promise.withResolvers<void>()
  const shown: NatsConnection = Object.create(client, { closed: { value: () => stopped.promise } })
  const service = await shown.services.add(config)
  return {
    service,
    stop: () => {
      // The stop of a service does not wait for the broker's answer, because no answer comes without a connection.
      void service.stop().catch(() => undefined)
      stopped.resolve()
    }
  }
}

/** The name of the operation in the messages of the errors of `ask`. */
const asking = "ask the owner of the account"

/** Carries requests and answers between edges and the owners of partitions, as a NATS micro service. */
export class QueryTransport extends Context.Service<
  QueryTransport,
  {
    /** Sends a request to the workers that serve a partition, and returns the first answer. */
    readonly ask: (
      partition: number,
      payload: string,
      timeoutMilliseconds: number
    ) => Effect.Effect<string, BrokerUnavailable | OutcomeUnknown>
    /**
     * Calls `handle` with each request for a partition, until the caller's scope closes. Every worker that takes itself
     * for the owner of the partition gets every request. Only a worker that can prove its ownership sends an answer.
     */
    readonly serve: (
      partition: number,
      identity: { readonly worker: string; readonly epoch: number },
      handle: (payload: string, reply: (payload: string) => void) => void
    ) => Effect.Effect<void, BrokerUnavailable, Scope.Scope>
    /**
     * Calls `handle` with each request that a person makes with the nats CLI, until the scope closes. Every epoch that
     * answers questions gets every request of the nats CLI.
     */
    readonly serveInspection: (
      handle: (kind: string, userToken: string, reply: (payload: string) => void) => void
    ) => Effect.Effect<void, never, Scope.Scope>
  }
>()("purchases/nats/QueryTransport") {
  static readonly layer = Layer.effect(
    QueryTransport,
    Effect.gen(function* () {
      const connection = yield* Connection
      return QueryTransport.of({
        ask: (partition, payload, timeoutMilliseconds) =>
          connection
            .request({
              operation: asking,
              subject: querySubject(partition),
              payload,
              timeoutMilliseconds
            })
            .pipe(
              Effect.map((message) => message.string()),
              // Without a majority of brokers no owner can answer a question, so a second request would not help.
              Effect.catchTag("OutcomeUnknown", (unknown) =>
                Effect.fail(connection.hasMajority() ? unknown : noMajority(asking))
              ),
              Effect.filterOrFail(
                (answer) => answer !== "" || connection.hasMajority(),
                () => noMajority(asking)
              )
            ),
        serve: (partition, { worker, epoch }, handle) =>
          Effect.acquireRelease(
            Effect.tryPromise({
              catch: () =>
                new BrokerUnavailable({
                  operation: "answer questions of edges",
                  reason: "the connection does not take the subscription"
                }),
              try: async () => {
                const served = await addService(connection.client, {
                  name: serviceName,
                  version: serviceVersion,
                  description: "Totals, histories and receipts of one partition",
                  metadata: { worker, partition: String(partition), epoch: String(epoch) },
                  // Each epoch has its own queue group, so that a request reaches every epoch that serves the
                  // partition.
                  queue: `epoch-${epoch}`
                })
                served.service.addEndpoint(`partition-${partition}`, {
                  subject: querySubject(partition),
                  handler: (error, message) => {
                    if (error === null) handle(message.string(), (answer) => void message.respond(answer))
                  }
                })
                return served
              }
            }),
            ({ stop }) => Effect.sync(stop)
          ).pipe(Effect.asVoid),
        serveInspection: (handle) =>
          Effect.acquireRelease(
            Effect.sync(() =>
              connection.client.subscribe(inspectionFilter, {
                callback: (error, message) => {
                  const [, kind = "", userToken = ""] = message.subject.split(".")
                  if (error === null) handle(kind, userToken, (answer) => void message.respond(answer))
                }
              })
            ),
            (subscription) => Effect.sync(() => subscription.unsubscribe())
          ).pipe(Effect.asVoid)
      })
    })
  )
}
