import { Context, Effect, Latch, Layer } from "effect"
import { BrokerRefused, BrokerUnavailable, type BrokerFailure, OutcomeUnknown } from "../../protocol/BrokerError.ts"
import { userTokenOfInput } from "../../protocol/Subject.ts"
import { AlertStream } from "../../nats/AlertStream.ts"
import { ConnectionState } from "../../nats/client/ConnectionState.ts"
import { CommitChain } from "../../nats/CommitChain.ts"
import { CommitStream } from "../../nats/CommitStream.ts"
import { HeadStore } from "../../nats/HeadStore.ts"
import { InputLog } from "../../nats/InputLog.ts"
import { JudgeReader } from "../../nats/JudgeReader.ts"
import { JudgeSigns } from "../../nats/JudgeSigns.ts"
import { NoticeTransport } from "../../nats/NoticeTransport.ts"
import type { Delivery, ReadDelivery } from "../../nats/Delivery.ts"
import { PartitionConsumer } from "../../nats/PartitionConsumer.ts"
import type { Pull, PullEvents } from "../../nats/PullSession.ts"
import { QueryTransport } from "../../nats/QueryTransport.ts"
import { RejectedRecords } from "../../nats/RejectedRecords.ts"
import { RuleValues } from "../../nats/RuleValues.ts"
import { Topology } from "../../nats/Topology.ts"
import { WorkerBucket, type WorkerSign } from "../../nats/WorkerBucket.ts"
import type { ShardState } from "../../judge/ShardState.ts"
import { ackWaitMilliseconds, type MemoryBroker } from "./MemoryBroker.ts"
import { ApiFailure } from "./MemoryStream.ts"
import type { Link } from "./Network.ts"
import {
  alertStream,
  commitStream,
  type JudgeListeners,
  judgeReader,
  judgeSigns,
  ruleValues,
  type SimulatedAlerts,
  type SimulatedReader,
  type SimulatedRules
} from "./SimulatedAlerts.ts"
import { commitChain, headStore, rejectedRecords, type SimulatedChain } from "./SimulatedJournal.ts"
import type { World } from "./World.ts"

/** A sign of life as other workers hear it. */
type HeardSign = Omit<WorkerSign, "storedAt" | "silentMilliseconds">

type Handler = (payload: string, reply: (payload: string) => void) => void

/** The broker that all processes of a run share, and the pulls and reads that wait for its messages. */
export class Exchange {
  readonly broker: MemoryBroker
  readonly world: World
  readonly servers = new Map<number, Set<{ readonly link: Link; readonly handle: Handler }>>()
  readonly noticeListeners = new Map<string, { readonly link: Link; readonly heard: (payload: string) => void }>()
  readonly pulls = new Set<() => void>()
  readonly workerListeners = new Set<(sign: HeardSign) => void>()
  readonly signListeners: JudgeListeners = new Set()
  /** Whether the signs of life of judges are lost, so that each judge judges every shard. */
  areJudgesAlone = false

  constructor(broker: MemoryBroker, world: World) {
    this.broker = broker
    this.world = world
  }

  /** Gives every waiting pull its next messages. */
  serve(): void {
    for (const pull of this.pulls) pull()
  }

  /** Stores a message, and delivers it to the waiting pulls. */
  append(...message: Parameters<MemoryBroker["append"]>) {
    const stored = this.broker.append(...message)
    this.serve()
    return stored
  }
}

const inputLog = (exchange: Exchange, link: Link) => {
  const { broker } = exchange
  return InputLog.of({
    failingFor: () => 0,
    append: (subject, messageId, payload, noticeTo) =>
      Effect.flatMap(
        link.ask("append", () => exchange.append(subject, messageId, payload, noticeTo)),
        (stored): Effect.Effect<{ readonly sequence: number; readonly duplicate: boolean }, BrokerFailure> => {
          if (stored === undefined) {
            const reason = "nobody serves this subject"
            return Effect.fail(new BrokerUnavailable({ operation: "append", reason, unserved: true }))
          }
          return stored instanceof ApiFailure
            ? Effect.fail(new BrokerRefused({ operation: "append", code: stored.code, reason: stored.reason }))
            : Effect.succeed(stored)
        }
      ),
    lastSequence: (partition) => link.ask("last sequence", () => broker.lastInput(partition)),
    // Sends two requests, because the real service sends two requests.
    newestAfter: (partition, sequence) =>
      Effect.flatMap(
        link.ask("newest input", () => broker.lastInput(partition)),
        (next) =>
          next <= sequence
            ? Effect.succeed(sequence)
            : Effect.map(
                link.ask("last sequence", () => broker.lastInput(partition)),
                (last) => Math.max(next, last)
              )
      ),
    bounds: link.ask("bounds", () => broker.bounds()),
    capacity: Effect.succeed({ bytes: 0, bytesMax: Number.POSITIVE_INFINITY }),
    messageFrom: (sequence) =>
      link.ask("message", () => {
        const found = broker.inputFrom(sequence)
        return found && { sequence: found.sequence, storedAt: found.storedAt }
      }),
    purgeBelow: (sequence) => link.ask("purge", () => broker.purgeBelow(sequence))
  })
}

/**
 * The pull of one epoch. The pull counts the messages that its process requested, and the messages whose request
 * reached the broker.
 */
class SimulatedPull implements Pull {
  private readonly exchange: Exchange
  private readonly link: Link
  private readonly partition: number
  private readonly epoch: number
  private readonly events: PullEvents
  private asked = 0
  /** The number of messages that the broker still has to deliver. A request that was lost does not count. */
  private demand = 0
  private unconfirmed = 0
  private readonly allConfirmed = Latch.makeUnsafe(true)
  readonly confirmed: Effect.Effect<void> = this.allConfirmed.await
  private heardAt: number

  constructor(exchange: Exchange, link: Link, partition: number, epoch: number, events: PullEvents) {
    this.exchange = exchange
    this.link = link
    this.partition = partition
    this.epoch = epoch
    this.events = events
    this.heardAt = exchange.world.now()
  }

  readonly serve = (): void => {
    const { link, partition, epoch, events } = this
    const { broker, world } = this.exchange
    if (this.demand === 0 || link.isDead || !link.isUp) return
    if (!broker.hasConsumer(partition, epoch)) {
      this.demand = 0
      if (!link.isDeaf) link.bring(() => events.lost("consumer deleted"))
      return
    }
    while (this.demand > 0) {
      if (world.random.chance(world.unkindness.redelivered)) broker.redeliver(partition, epoch)
      const next = broker.deliver(partition, epoch)
      if (next === undefined) return
      this.demand -= 1
      const { message, deliverySequence } = next
      const { payload, subject, sequence, toldStoredAt: storedAt, noticeTo } = message
      world.after(ackWaitMilliseconds, this.serve)
      this.bring({
        payload,
        userToken: userTokenOfInput(subject),
        sequence,
        deliverySequence,
        storedAt,
        noticeTo,
        bytes: payload.length + 600,
        traceparents: undefined,
        acknowledgeSubject: `${partition}.${epoch}.${sequence}`
      })
    }
  }

  readonly request = (messages: number): void => {
    this.asked += messages
    this.link.tell(() => {
      this.demand += messages
      this.serve()
    })
  }

  readonly outstanding = () => ({ messages: this.asked, bytes: 0 })

  readonly acknowledge = ({ sequence }: ReadDelivery): void => {
    const { link, partition, epoch } = this
    if (!link.isUp) return
    this.unconfirmed += 1
    this.allConfirmed.closeUnsafe()
    link.tell(() => {
      this.exchange.broker.acknowledge(partition, epoch, sequence)
      this.serve()
      link.bring(() => {
        this.unconfirmed -= 1
        if (this.unconfirmed === 0) this.allConfirmed.openUnsafe()
      })
    })
  }

  readonly silence = (): number => {
    if (this.isHeard) this.heardAt = this.exchange.world.now()
    return this.exchange.world.now() - this.heardAt
  }

  private get isHeard(): boolean {
    const { link, partition, epoch, exchange } = this
    return link.isUp && !link.isDeaf && this.demand > 0 && exchange.broker.hasConsumer(partition, epoch)
  }

  private bring(delivery: Delivery): void {
    const { random, unkindness } = this.exchange.world
    if (this.link.isDeaf || random.chance(unkindness.deliveryLost)) return
    const arrive = () => {
      this.asked -= 1
      this.heardAt = this.exchange.world.now()
      this.events.delivered(delivery)
    }
    if (random.chance(unkindness.reordered)) this.link.bringLate(arrive)
    else this.link.bring(arrive)
  }
}

const partitionConsumer = (exchange: Exchange, link: Link) => {
  const { broker } = exchange
  const pull: (typeof PartitionConsumer)["Service"]["pull"] = (partition, epoch, events) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const made = new SimulatedPull(exchange, link, partition, epoch, events)
        exchange.pulls.add(made.serve)
        return made
      }),
      ({ serve }) => Effect.sync(() => void exchange.pulls.delete(serve))
    )
  return PartitionConsumer.of({
    create: (partition, epoch, from, unacknowledgedMax) =>
      link.ask("create consumer", () => broker.createConsumer(partition, epoch, from, unacknowledgedMax)),
    deleteBefore: (partition, epoch) =>
      link.ask("delete consumers", () => {
        broker.deleteConsumers((ofPartition, older) => ofPartition === partition && older < epoch)
        exchange.serve()
      }),
    pull
  })
}

// The error is made once, because clients try again often, and making an error is slow.
const unserved = new BrokerUnavailable({ operation: "query", reason: "nobody serves this subject", unserved: true })
const disconnected = new BrokerUnavailable({ operation: "query", reason: "not connected" })

const queryTransport = (exchange: Exchange, link: Link) => {
  const { world, servers } = exchange
  return QueryTransport.of({
    ask: (partition, payload, waitMilliseconds) =>
      Effect.callback<string, BrokerUnavailable | OutcomeUnknown>((resume) => {
        if (!link.isUp) return resume(Effect.fail(disconnected))
        const serving = [...(servers.get(partition) ?? [])].filter((server) => server.link.isUp)
        if (serving.length === 0) return resume(Effect.fail(unserved))
        let isSettled = false
        let cancelWait = () => {}
        const settle = (result: Effect.Effect<string, OutcomeUnknown>) => {
          if (isSettled) return
          isSettled = true
          cancelWait()
          resume(result)
        }
        cancelWait = world.after(waitMilliseconds, () =>
          settle(Effect.fail(new OutcomeUnknown({ operation: "query", reason: "no answer in time" })))
        )
        for (const server of serving) {
          server.link.bring(() =>
            server.handle(payload, (reply) => server.link.tell(() => link.bring(() => settle(Effect.succeed(reply)))))
          )
        }
      }),
    serve: (partition, _identity, handle) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const server = { link, handle }
          servers.set(partition, (servers.get(partition) ?? new Set()).add(server))
          return server
        }),
        (server) => Effect.sync(() => void servers.get(partition)?.delete(server))
      ).pipe(Effect.asVoid),
    // No person asks questions in a simulation.
    serveInspection: () => Effect.void
  })
}

const noticeTransport = ({ noticeListeners, world }: Exchange, link: Link) =>
  NoticeTransport.of({
    listen: (heard) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const edge = `edge${noticeListeners.size + 1}`
          noticeListeners.set(edge, { link, heard })
          return edge
        }),
        (edge) => Effect.sync(() => void noticeListeners.delete(edge))
      ),
    tell: (edge, payload) =>
      link.tell(() => {
        const listener = noticeListeners.get(edge)
        if (!world.random.chance(world.unkindness.deliveryLost)) listener?.link.bring(() => listener.heard(payload))
      })
  })

const workerBucket = (exchange: Exchange, link: Link) => {
  const { broker, workerListeners } = exchange
  const write = (worker: string, instance: number, isLeaving: boolean) =>
    link.ask("sign", () => {
      const sequence = broker.sign(worker, instance, isLeaving)
      for (const listener of workerListeners) listener({ worker, instance, isLeaving })
      return sequence
    })
  return WorkerBucket.of({
    announce: (worker, instance) => write(worker, instance, false),
    leave: (worker, instance) => write(worker, instance, true),
    read: link.ask("read signs", () => broker.livingSigns()),
    watch: (heard) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const listener = (sign: HeardSign) => {
            if (!link.isDeaf) link.bring(() => heard({ ...sign, storedAt: 0, silentMilliseconds: 0 }))
          }
          workerListeners.add(listener)
          return listener
        }),
        (listener) => Effect.sync(() => void workerListeners.delete(listener))
      ).pipe(Effect.asVoid)
  })
}

export type BrokerServices =
  | AlertStream
  | ConnectionState
  | CommitChain
  | CommitStream
  | HeadStore
  | InputLog
  | JudgeReader
  | JudgeSigns
  | NoticeTransport
  | PartitionConsumer
  | QueryTransport
  | RejectedRecords
  | RuleValues
  | Topology
  | WorkerBucket

/**
 * Functions that replace services of a process. Each function gets the service of the broker, and returns the service
 * to use.
 */
export interface Swaps {
  readonly input?: (real: (typeof InputLog)["Service"]) => (typeof InputLog)["Service"]
  readonly chain?: (real: SimulatedChain) => (typeof CommitChain)["Service"]
  readonly heads?: (real: (typeof HeadStore)["Service"]) => (typeof HeadStore)["Service"]
  readonly rejected?: (real: (typeof RejectedRecords)["Service"]) => (typeof RejectedRecords)["Service"]
  readonly consumer?: (real: (typeof PartitionConsumer)["Service"]) => (typeof PartitionConsumer)["Service"]
  readonly notices?: (real: (typeof NoticeTransport)["Service"]) => (typeof NoticeTransport)["Service"]
  readonly alerts?: (real: SimulatedAlerts) => (typeof AlertStream)["Service"]
  readonly reader?: (real: SimulatedReader) => (typeof JudgeReader)["Service"]
  readonly rules?: (real: SimulatedRules) => (typeof RuleValues)["Service"]
  readonly state?: (real: (typeof ShardState)["Service"]) => (typeof ShardState)["Service"]
}

const same = <A>(real: A): A => real

/** Makes the services of the broker for one process, over the link of the process. */
export const simulatedBrokerLayer = (
  exchange: Exchange,
  link: Link,
  swaps: Swaps = {}
): Layer.Layer<BrokerServices> => {
  const { input = same, chain = same, heads = same, rejected = same, consumer = same, notices = same } = swaps
  const { alerts = same, reader = same, rules = same } = swaps
  const { partitions, messageBytesMax } = exchange.broker.options
  return Layer.succeedContext(
    Context.empty().pipe(
      Context.add(
        ConnectionState,
        ConnectionState.of({
          isConnected: () => link.isUp,
          isClustered: () => false,
          onReconnect: (listener) => link.onReconnect(listener)
        })
      ),
      Context.add(AlertStream, AlertStream.of(alerts(alertStream(exchange, link)))),
      Context.add(CommitStream, commitStream(exchange, link)),
      Context.add(JudgeReader, JudgeReader.of(reader(judgeReader(exchange, link)))),
      Context.add(JudgeSigns, judgeSigns(exchange, link)),
      Context.add(RuleValues, RuleValues.of(rules(ruleValues(exchange, link)))),
      Context.add(InputLog, input(inputLog(exchange, link))),
      Context.add(CommitChain, chain(commitChain(exchange, link))),
      Context.add(HeadStore, heads(headStore(exchange, link))),
      Context.add(RejectedRecords, rejected(rejectedRecords(exchange, link))),
      Context.add(NoticeTransport, notices(noticeTransport(exchange, link))),
      Context.add(PartitionConsumer, consumer(partitionConsumer(exchange, link))),
      Context.add(QueryTransport, queryTransport(exchange, link)),
      Context.add(WorkerBucket, workerBucket(exchange, link)),
      Context.add(Topology, Topology.of({ partitions, messageBytesMax }))
    )
  )
}
