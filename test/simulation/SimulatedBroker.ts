import { Context, Effect, Layer } from "effect"
import { BrokerRefused, BrokerUnavailable, OutcomeUnknown } from "../../src/domain/BrokerError.ts"
import { BrokerLink } from "../../src/nats/BrokerLink.ts"
import { InputLog } from "../../src/nats/InputLog.ts"
import { CommitConflict, type CommitFailure, LedgerBucket } from "../../src/nats/LedgerBucket.ts"
import { PartitionConsumer } from "../../src/nats/PartitionConsumer.ts"
import { QueryTransport } from "../../src/nats/QueryTransport.ts"
import { Topology } from "../../src/nats/Topology.ts"
import { WorkerBucket } from "../../src/nats/WorkerBucket.ts"
import type { MemoryBroker } from "./MemoryBroker.ts"
import type { Link, World } from "./Network.ts"

type Handler = (payload: string, reply: (payload: string) => void) => void

/** What all processes of a run share: the broker's state, and who serves which queries and pulls. */
export class Exchange {
  readonly broker: MemoryBroker
  readonly world: World
  readonly servers = new Map<number, Set<{ readonly link: Link; readonly handle: Handler }>>()
  readonly pulls = new Set<() => void>()
  readonly signListeners = new Set<(worker: string, instance: number, isLeaving: boolean) => void>()

  constructor(broker: MemoryBroker, world: World) {
    this.broker = broker
    this.world = world
    broker.onInput = () => this.serve()
  }

  /** Lets every waiting pull take what there is. */
  serve(): void {
    for (const pull of this.pulls) pull()
  }
}

const inputLog = ({ broker }: Exchange, link: Link) =>
  InputLog.of({
    append: (subject, messageId, payload) =>
      Effect.flatMap(
        link.ask("append", () => broker.append(subject, messageId, payload)),
        (stored) =>
          stored === undefined
            ? Effect.fail(new BrokerUnavailable({ operation: "append", reason: "no such subject", unserved: true }))
            : Effect.succeed(stored)
      ),
    lastSequence: (partition) => link.ask("last sequence", () => broker.lastInput(partition)),
    bounds: link.ask("bounds", () => broker.bounds()),
    messageFrom: (sequence) => link.ask("message", () => broker.inputFrom(sequence)),
    purgeBelow: (sequence) => link.ask("purge", () => broker.purgeBelow(sequence))
  })

const ledgerBucket = ({ broker }: Exchange, link: Link) =>
  LedgerBucket.of({
    latest: (key) => link.ask(`latest ${key}`, () => broker.latest(key)),
    at: (sequence) => link.ask(`at ${sequence}`, () => broker.at(sequence)),
    put: (key, value) => link.ask(`put ${key}`, () => broker.put(key, value)),
    commit: (writes) =>
      Effect.flatMap(
        link.ask("commit", () => broker.commit(writes)),
        (result): Effect.Effect<number, CommitFailure> => {
          switch (result.kind) {
            case "committed":
              return Effect.succeed(result.first)
            case "conflict":
              return Effect.fail(new CommitConflict({ reason: result.reason }))
            case "refused":
              return Effect.fail(new BrokerRefused({ operation: "commit", code: result.code, reason: result.reason }))
          }
        }
      ),
    forgetHistory: (key) => link.ask("forget", () => broker.forgetHistory(key))
  })

const partitionConsumer = (exchange: Exchange, link: Link) => {
  const { broker, world } = exchange
  return PartitionConsumer.of({
    create: (partition, epoch, from) =>
      link.ask("create consumer", () => broker.createConsumer(partition, epoch, from)),
    deleteBefore: (partition, epoch) =>
      link.ask("delete consumers", () => {
        broker.deleteConsumersBefore(partition, epoch)
        exchange.serve()
      }),
    pull: (partition, epoch, events) =>
      Effect.gen(function* () {
        let demand = 0
        let heardAt = world.now()
        const serve = () => {
          if (link.isDead || !link.isUp) return
          if (!broker.hasConsumer(partition, epoch)) {
            if (demand > 0) link.bring(() => events.lost("consumer deleted"))
            demand = 0
            return
          }
          while (demand > 0) {
            const again = world.random.chance(world.unkindness.redelivered)
            const next = (again ? broker.redeliver(partition, epoch) : undefined) ?? broker.deliver(partition, epoch)
            if (next === undefined) return
            demand -= 1
            if (world.random.chance(world.unkindness.deliveryLost)) continue
            const { message, deliverySequence } = next
            link.bring(() => {
              heardAt = world.now()
              events.delivered({
                payload: message.payload,
                sequence: message.sequence,
                deliverySequence,
                storedAt: message.storedAt,
                bytes: message.payload.length + 600,
                acknowledgeSubject: `${partition}.${epoch}.${message.sequence}`
              })
            })
          }
        }
        yield* Effect.acquireRelease(
          Effect.sync(() => void exchange.pulls.add(serve)),
          () => Effect.sync(() => void exchange.pulls.delete(serve))
        )
        return {
          request: (messages: number) => {
            world.after(world.travel(), () => {
              demand += messages
              serve()
            })
          },
          outstanding: () => ({ messages: demand, bytes: 0 }),
          acknowledge: (delivery: { readonly sequence: number }) => {
            if (!link.isUp) return
            world.after(world.travel(), () => broker.acknowledge(partition, epoch, delivery.sequence))
          },
          // Heartbeats are not simulated: a pull counts as heard while its connection is up.
          silence: () => (link.isUp ? 0 : world.now() - heardAt)
        }
      })
  })
}

const queryTransport = (exchange: Exchange, link: Link) => {
  const { world, servers } = exchange
  return QueryTransport.of({
    ask: (partition, payload, waitMilliseconds) =>
      Effect.callback<string, BrokerUnavailable | OutcomeUnknown>((resume) => {
        const serving = [...(servers.get(partition) ?? [])].filter((server) => server.link.isUp)
        if (serving.length === 0) {
          return resume(
            Effect.fail(new BrokerUnavailable({ operation: "query", reason: "nobody serves", unserved: true }))
          )
        }
        let isSettled = false
        const settle = (result: Effect.Effect<string, OutcomeUnknown>) => {
          if (isSettled) return
          isSettled = true
          resume(result)
        }
        world.after(waitMilliseconds, () =>
          settle(Effect.fail(new OutcomeUnknown({ operation: "query", reason: "no answer in time" })))
        )
        for (const server of serving) {
          server.link.bring(() =>
            server.handle(payload, (reply) => {
              if (server.link.isUp && link.isUp) world.after(world.travel(), () => settle(Effect.succeed(reply)))
            })
          )
        }
      }),
    serve: (partition, _identity, handle) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const server = { link, handle }
          const serving = servers.get(partition) ?? new Set()
          servers.set(partition, serving.add(server))
          return server
        }),
        (server) => Effect.sync(() => void servers.get(partition)?.delete(server))
      ).pipe(Effect.asVoid)
  })
}

const workerBucket = (exchange: Exchange, link: Link) => {
  const { broker, signListeners } = exchange
  const write = (worker: string, instance: number, isLeaving: boolean) =>
    link.ask("sign", () => {
      const sequence = broker.sign(worker, instance, isLeaving)
      for (const listener of signListeners) listener(worker, instance, isLeaving)
      return sequence
    })
  return WorkerBucket.of({
    announce: (worker, instance) => write(worker, instance, false),
    leave: (worker, instance) => write(worker, instance, true),
    read: link.ask("read signs", () =>
      [...broker.signs].filter(([, sign]) => !sign.isLeaving).map(([worker, sign]) => ({ worker, ...sign }))
    ),
    watch: (heard) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const listener = (worker: string, instance: number, isLeaving: boolean) =>
            link.bring(() => heard({ worker, instance, isLeaving, storedAt: 0 }))
          signListeners.add(listener)
          return listener
        }),
        (listener) => Effect.sync(() => void signListeners.delete(listener))
      ).pipe(Effect.asVoid)
  })
}

export type BrokerServices =
  | BrokerLink
  | InputLog
  | LedgerBucket
  | PartitionConsumer
  | QueryTransport
  | Topology
  | WorkerBucket

/** The services of the broker as one process sees them, over its own link. */
export const simulatedBrokerLayer = (exchange: Exchange, link: Link): Layer.Layer<BrokerServices> => {
  const { partitions, messageBytesMax } = exchange.broker.options
  return Layer.succeedContext(
    Context.empty().pipe(
      Context.add(
        BrokerLink,
        BrokerLink.of({ isConnected: () => link.isUp, onReconnect: (listener) => link.onReconnect(listener) })
      ),
      Context.add(InputLog, inputLog(exchange, link)),
      Context.add(LedgerBucket, ledgerBucket(exchange, link)),
      Context.add(PartitionConsumer, partitionConsumer(exchange, link)),
      Context.add(QueryTransport, queryTransport(exchange, link)),
      Context.add(WorkerBucket, workerBucket(exchange, link)),
      Context.add(Topology, Topology.of({ partitions, messageBytesMax }))
    )
  )
}
