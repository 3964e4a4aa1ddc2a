import { failureOf } from "../../runtime/ExitFailure.ts"
import { ConfigProvider, Context, Duration, Effect, Exit, type Fiber, Layer, Logger, References, Scope } from "effect"
import { type EntryRequest, isReversalRequest } from "../../account/Entry.ts"
import type { Purchase } from "../../account/Purchase.ts"
import type { Reversal } from "../../account/Reversal.ts"
import type { Question } from "../../protocol/Query.ts"
import { PurchasePublisher } from "../../intake/PurchasePublisher.ts"
import { Sealing } from "../../actor/ActorRegistry.ts"
import { encodeCommit, headOf } from "../../protocol/Commit.ts"
import { decodeManifest } from "../../protocol/HeadManifest.ts"
import { commitSubject, headsPrefix, journalPrefix } from "../../protocol/Subject.ts"
import { HeadWriting } from "../../ledger/HeadWriting.ts"
import { janitor } from "../../partition/Janitor.ts"
import { PartitionWorker } from "../../partition/PartitionWorker.ts"
import { QueryClient } from "../../asking/QueryClient.ts"
import { purchasesLayer, workerLayer } from "../../Layers.ts"
import { settings as readSettings, type Settings } from "../../Settings.ts"
import { RuleStore } from "../../alerts/RuleStore.ts"
import { entryName, requestName } from "../EntryName.ts"
import type { SentChange } from "../alerts/RuleChangeProblems.ts"
import { sameReversal } from "../ReversalCheck.ts"
import { checkCounts, checkHistory, LedgerWatch, type Read, type ReceiptRead, type Sent } from "./History.ts"
import { MemoryBroker } from "./MemoryBroker.ts"
import { Link } from "./Network.ts"
import {
  activeMilliseconds,
  clients,
  type Fault,
  fatalOperations,
  type Operation,
  partitions,
  type Plan,
  purchaseTimeAt
} from "./Plan.ts"
import type { RuleOperation } from "./RulePlan.ts"
import { Exchange, simulatedBrokerLayer, type Swaps } from "./SimulatedBroker.ts"
import { type JudgedCounts, SimulatedJudges } from "./SimulatedJudges.ts"
import type { Problem } from "../Invariant.ts"
import { kind, World } from "./World.ts"

/**
 * A planted mistake: returns the services that a process gets instead of the right services. All processes of a run
 * share one map, in which processes with the mistake can keep numbers.
 */
export type Plant = (process: ProcessKind, shared?: Map<number, number>) => Swaps

export type ProcessKind = "worker" | "edge" | "janitor" | "judge"

export interface Outcome {
  readonly problems: ReadonlyArray<Problem>
  readonly events: ReadonlyArray<string>
  readonly acknowledged: number
  /**
   * Counts the callers that waited until their purchase was applied. `applied` counts the callers that got a notice.
   * `stored` counts the callers that got no notice in time.
   */
  readonly told: Readonly<Record<"applied" | "stored", number>>
  /** Counts the hints, bases and segments that workers wrote. */
  readonly wrote: Readonly<Record<Writing, number>>
  readonly judged: JudgedCounts
  /** Counts the reversals that were applied, and the rejected records of refused reversals. */
  readonly reversals: Readonly<Record<"applied" | "refused", number>>
}

type Writing = "segment" | "hint" | "base" | "manifest"

/** The longest time from the last fault until all stored input is applied (I7), in milliseconds. */
const drainMilliseconds = 60_000
const workersMax = 3
const brokerDownMillisecondsMax = 700

const settings: Settings = Effect.runSync(
  readSettings.parse(
    ConfigProvider.fromEnvRecord({
      ACTOR_IDLE: "3 seconds",
      ACTORS_RESIDENT_MAX: "2",
      WORKER_HEARTBEAT: "1 second",
      WORKER_LEASE: "2 seconds",
      // The plan decides when a janitor runs, so the janitors of the workers never run.
      JANITOR_INTERVAL: "1 day"
    })
  )
)

/** A run has few purchases. With these bounds, hints, bases and segments are written all the time, in several parts. */
const smallBounds = Layer.mergeAll(
  Layer.succeed(HeadWriting, {
    revisions: 1,
    revisionsOfPartition: 1,
    time: Duration.millis(400),
    timeAfterFailure: Duration.millis(20),
    chunkEntriesMax: 1
  }),
  Layer.succeed(Sealing, { idsMin: 3, revisionsMin: 2, revisionsMax: 4, idsMax: 3 })
)

interface Process {
  readonly name: string
  readonly link: Link
  readonly scope: Scope.Closeable
  worker: (typeof PartitionWorker)["Service"] | undefined
}

type EdgeServices = PurchasePublisher | QueryClient | RuleStore
type Publisher = (typeof PurchasePublisher)["Service"]
type Acting = Effect.Effect<void, never, EdgeServices>
type EdgeContext = Context.Context<EdgeServices>

/** One run: the processes, their broker, and the requests and answers of clients. */
class Run {
  readonly plan: Plan
  readonly world: World
  readonly broker: MemoryBroker
  readonly watch = new LedgerWatch()
  readonly sent: Array<Sent> = []
  readonly reads: Array<Read> = []
  readonly receipts: Array<ReceiptRead> = []
  readonly events: Array<string> = []
  readonly told = { applied: 0, stored: 0 }
  readonly wrote = { segment: 0, hint: 0, base: 0, manifest: 0 }
  private readonly plant: (process: ProcessKind) => Swaps
  private readonly exchange: Exchange
  private readonly judges: SimulatedJudges
  private readonly workers: Array<Process> = []
  private readonly edges: Array<{ readonly link: Link; readonly context: EdgeContext }> = []
  private readonly edgeScope = Scope.makeUnsafe()
  private workersStarted = 0
  private poisoned = 0
  private clientsDone = 0

  constructor(plan: Plan, plant: Plant) {
    this.plan = plan
    const shared = new Map<number, number>()
    this.plant = (process) => plant(process, shared)
    // The plan was made from other random numbers than the run. So a shortened plan does not change the random numbers
    // of the run.
    this.world = new World(plan.seed ^ 0x5eed, plan.unkindness)
    this.broker = new MemoryBroker({
      partitions,
      duplicateWindow: plan.duplicateWindow,
      messageBytesMax: 512 * 1024,
      inputBytesMax: 1024 ** 3,
      shards: plan.shards,
      now: this.world.now,
      purchaseTime: () => purchaseTimeAt(this.world.now())
    })
    this.broker.journal.onStored = (message) => {
      this.watch.stored(message)
      this.judges.stored(message)
      if (message.subject.startsWith(`${journalPrefix}segment.`)) this.wrote.segment += 1
    }
    const { heads } = this.broker
    heads.onStored = ({ subject, payload }) => {
      const [partition, part] = subject.slice(headsPrefix.length).split(".")
      this.wrote[part as Exclude<Writing, "segment">] += 1
      if (part !== "manifest") return
      const manifest = decodeManifest(Buffer.from(payload).toString())
      this.watch.storedManifest(Number(partition), manifest, (sequence) => heads.at(sequence)?.payload)
    }
    this.broker.onReceived = (message) => this.watch.received(message)
    this.broker.onAcknowledged = (message) => this.watch.acknowledged(message)
    this.exchange = new Exchange(this.broker, this.world)
    this.exchange.areJudgesAlone = plan.areJudgesAlone
    const { world, broker, exchange } = this
    this.judges = new SimulatedJudges({
      plan,
      world,
      broker,
      exchange,
      plant: () => this.plant("judge"),
      note: (text) => this.note(text),
      fork: (effect) => this.fork(effect)
    })
  }

  private note(text: string): void {
    this.events.push(`${String(this.world.now()).padStart(6)} ${text}`)
  }

  private readonly logger = Logger.layer([
    Logger.make(({ message, fiber }: { readonly message: unknown; readonly fiber: Fiber.Fiber<unknown, unknown> }) => {
      const about = Object.entries(fiber.getRef(References.CurrentLogAnnotations))
      this.note(`  ${String(message)} ${about.map(([key, value]) => `${key}=${value}`).join(" ")}`)
    })
  ])

  private fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return this.world.fork(Effect.provide(effect, this.logger))
  }

  // Processes.

  private startWorker(name?: string): Process {
    this.workersStarted += 1
    // The names of workers decide which worker gets which partition, so the names differ from run to run.
    const link = new Link(name ?? `worker-${this.workersStarted}${this.world.random.letter()}`, this.world)
    const process: Process = { name: link.name, link, scope: Scope.makeUnsafe(), worker: undefined }
    this.workers.push(process)
    this.note(`start ${process.name}`)
    const layer = Layer.fresh(
      workerLayer({ ...settings, workerId: process.name }).pipe(
        Layer.provide(Layer.merge(simulatedBrokerLayer(this.exchange, link, this.plant("worker")), smallBounds)),
        Layer.provideMerge(this.logger)
      )
    )
    // A start that fails because of the broker is tried again, as a process supervisor would do.
    const build: Effect.Effect<void> = Effect.suspend(() =>
      link.isDead
        ? Effect.void
        : Effect.map(Layer.buildWithScope(layer, process.scope), (context) => {
            process.worker = Context.get(context, PartitionWorker)
          })
    ).pipe(Effect.catchCause(() => Effect.andThen(Effect.sleep(100), build)))
    this.fork(build)
    return process
  }

  private end(process: Process): void {
    const index = this.workers.indexOf(process)
    if (index >= 0) this.workers.splice(index, 1)
    process.link.die()
    this.fork(Scope.close(process.scope, Exit.void))
  }

  private kill(process: Process): void {
    if (process.link.isDead) return
    this.note(`kill ${process.name}`)
    this.end(process)
  }

  /** Makes a worker die during a write or a read. */
  private killInWrite({ link, name }: Process, { lasts }: Fault): void {
    const operation = fatalOperations[lasts % fatalOperations.length] ?? "commit"
    const isApplied = Math.floor(lasts / fatalOperations.length) % 2 === 0
    link.dieOf(operation, isApplied, () => {
      const process = this.workers.find((worker) => worker.link === link)
      if (process === undefined) return
      this.note(`kill ${name} ${isApplied ? "after" : "before"}: ${operation}`)
      this.end(process)
      this.world.after(lasts / 2, () => this.startWorker())
    })
  }

  /** Appends a take-over record of a worker that never commits. */
  private takeOverAstray(partition: number): void {
    const { journal } = this.broker
    const newest = journal.newest(commitSubject(partition))
    const position = newest === undefined ? 0 : headOf(newest.payload).position
    journal.append(
      commitSubject(partition),
      encodeCommit({ kind: "takeover", epoch: 0, worker: "stray", position }, [])
    )
  }

  /** Removes the heads of a partition as if they were lost, with or without the manifest. */
  private loseHeads(partition: number, isManifestKept: boolean): void {
    const { heads } = this.broker
    const prefix = `${headsPrefix}${partition}.`
    const parts = isManifestKept ? ["base", "hint"] : [""]
    for (const part of parts) heads.purgeBelow(prefix + part, Number.POSITIVE_INFINITY)
  }

  private leave(process: Process): void {
    this.note(`${process.name} leaves`)
    this.workers.splice(this.workers.indexOf(process), 1)
    const drained = Effect.suspend(() => process.worker?.drain ?? Effect.void)
    this.fork(
      Effect.andThen(
        drained,
        Effect.sync(() => this.end(process))
      )
    )
  }

  private startEdges(): void {
    for (const name of ["edge-1", "edge-2"]) {
      const link = new Link(name, this.world)
      const services = simulatedBrokerLayer(this.exchange, link, this.plant("edge"))
      const layer = Layer.fresh(Layer.merge(purchasesLayer, RuleStore.layer).pipe(Layer.provide(services)))
      this.fork(
        Effect.map(Layer.buildWithScope(layer, this.edgeScope), (context) => void this.edges.push({ link, context }))
      )
    }
    this.world.run(this.world.now())
  }

  // Faults.

  private inject(fault: Fault): void {
    const { kind, choice, lasts } = fault
    const { world, broker, workers } = this
    const process = workers[Math.floor(choice * workers.length)]
    const chosen = process?.link
    this.note(`${kind}${kind.includes("worker") ? `: ${chosen?.name ?? "none"}` : ""}`)
    switch (kind) {
      case "kill a worker":
      case "a worker leaves":
      case "a worker joins": {
        if (process === undefined || (kind === "a worker joins" && workers.length < workersMax)) {
          this.startWorker()
          return
        }
        if (kind === "a worker leaves") this.leave(process)
        else this.kill(process)
        const name = lasts % 2 === 0 ? process.name : undefined
        world.after(lasts / 2, () => this.startWorker(name))
        return
      }
      case "a worker is replaced under its name": {
        if (process === undefined) return void this.startWorker()
        const successor = this.startWorker(process.name)
        world.after(lasts, () => this.kill(choice < 0.5 ? process : successor))
        return
      }
      case "cut a worker off":
        chosen?.disconnect()
        world.after(lasts, () => chosen?.reconnect())
        return
      case "hold a worker back":
        chosen?.hold()
        world.after(lasts, () => chosen?.release())
        return
      case "a worker is deaf":
        return chosen?.deafen(lasts)
      case "two owners at once":
        chosen?.deafen(lasts + 1_000)
        this.startWorker()
        return
      case "the broker restarts": {
        const links = [...[...workers, ...this.edges].map(({ link }) => link), ...this.judges.links]
        for (const link of links) link.disconnect()
        broker.restart()
        for (const link of links) world.after(world.random.below(brokerDownMillisecondsMax), () => link.reconnect())
        return
      }
      case "the broker forgets its message ids":
        return broker.forgetMessageIds()
      case "a stray take-over":
        return this.takeOverAstray(Math.floor(choice * partitions))
      case "heads are lost":
        return this.loseHeads(Math.floor(choice * partitions), lasts % 2 === 0)
      case "a worker dies as it writes":
        return process && this.killInWrite(process, fault)
      case "a consumer is deleted": {
        const partition = Math.floor(choice * partitions)
        broker.deleteConsumers((ofPartition) => ofPartition === partition)
        return this.exchange.serve()
      }
      case "poison":
        this.poisoned += 1
        this.exchange.append(`purchases.${Math.floor(choice * partitions)}.poison`, "", "no JSON")
        return
      default:
        return this.judges.inject(fault)
    }
  }

  private startJanitor(): void {
    const { cleaningEvery } = this.plan
    if (cleaningEvery === 0) return
    const services = simulatedBrokerLayer(this.exchange, new Link("janitor", this.world), this.plant("janitor"))
    const cleaning = janitor({ every: Duration.millis(cleaningEvery), retention: Duration.zero }, () => true)
    this.fork(Effect.provide(cleaning, services))
  }

  // Clients.

  private buy(client: number, requests: ReadonlyArray<EntryRequest>): Acting {
    return Effect.gen({ self: this }, function* () {
      const sent = requests.map((request): Sent => ({
        client,
        request,
        sentAt: this.world.now(),
        outcome: "info",
        answeredAt: 0
      }))
      this.sent.push(...sent)
      const publisher = yield* PurchasePublisher
      const only = requests.length === 1 ? sent[0] : undefined
      const results =
        only !== undefined && this.world.random.chance(0.5)
          ? [yield* this.sendAwaited(publisher, only)]
          : yield* publisher.publish(requests)
      for (const [index, one] of sent.entries()) {
        const result = results[index]
        one.answeredAt = this.world.now()
        if (result !== undefined && Exit.isSuccess(result)) {
          one.outcome = "ok"
          if (result.value !== undefined) one.stored = result.value
        } else if (result !== undefined) {
          one.outcome = failureOf(result)?._tag === "OutcomeUnknown" ? "info" : "fail"
        }
        this.note(`client ${client}: ${one.request.userId}/${requestName(one.request)} ${one.outcome}`)
      }
    })
  }

  /**
   * Sends one request, and waits until the request is applied or refused. Returns `undefined` instead of the place in
   * the input log if the request is an applied purchase.
   */
  private sendAwaited(publisher: Publisher, sent: Sent) {
    const { request } = sent
    return isReversalRequest(request)
      ? this.reverseAwaited(publisher, sent, request)
      : Effect.exit(this.buyAwaited(publisher, sent, request))
  }

  private buyAwaited(publisher: Publisher, sent: Sent, purchase: Purchase) {
    return Effect.map(
      publisher.publishAndWait(purchase, (published) => Effect.succeed({ kind: "stored", published } as const)),
      (outcome) => {
        this.told[outcome.kind] += 1
        if (outcome.kind === "stored") return outcome.published
        sent.toldTotal = outcome.totalAfter
        return undefined
      }
    )
  }

  /** Sends a reversal, and asks the owner of the account for the outcome of the reversal, as an edge does. */
  private reverseAwaited(publisher: Publisher, sent: Sent, reversal: Reversal) {
    return Effect.gen({ self: this }, function* () {
      const { userId, reversalId } = reversal
      const [result] = yield* publisher.publish([sent.request])
      if (result === undefined || Exit.isFailure(result)) return result
      const queries = yield* QueryClient
      const question = { kind: "outcome", userId, reversalId, inputSequence: result.value.sequence } as const
      const asked = yield* Effect.exit(queries.ask(question, { consistency: "committed", waitMilliseconds: 5_000 }))
      if (Exit.isFailure(asked) || asked.value.kind !== "outcome") return result
      const { entry } = asked.value
      if (entry === undefined) sent.isToldRefused = true
      // An edge answers that the reversal is a conflict if the entry has another content.
      else if (sameReversal(entry, reversal)) sent.toldTotal = entry.totalAfter
      return result
    })
  }

  private ask(client: number, operation: Extract<Operation, { readonly do: "total" | "page" }>): Acting {
    return Effect.gen({ self: this }, function* () {
      const { userId } = operation
      const askedAt = this.world.now()
      const queries = yield* QueryClient
      const question: Question =
        operation.do === "total" ? { kind: "total", userId } : { kind: "page", userId, limit: 100 }
      const answer = yield* queries.ask(question, { consistency: "strong", waitMilliseconds: 5_000 })
      if (answer.kind !== "total" && answer.kind !== "page") return
      const { total, count } = answer
      const entries = answer.kind === "page" ? answer.entries.map(entryName) : undefined
      this.reads.push({ client, userId, askedAt, answeredAt: this.world.now(), total, count, entries })
      this.note(`client ${client}: ${userId} has ${count} with ${total}`)
    }).pipe(Effect.ignore)
  }

  private askReceipt(client: number, { request }: Extract<Operation, { readonly do: "receipt" }>): Acting {
    return Effect.gen({ self: this }, function* () {
      const askedAt = this.world.now()
      const countedBefore = this.watch.countedOf(request)
      const queries = yield* QueryClient
      const { userId } = request
      const question: Question = isReversalRequest(request)
        ? { kind: "receipt", userId, reversalId: request.reversalId }
        : { kind: "receipt", userId, purchaseId: request.purchaseId, reversals: true }
      const answer = yield* queries.ask(question, { consistency: "strong", waitMilliseconds: 5_000 })
      if (answer.kind !== "receipt") return
      const { receipt } = answer
      this.receipts.push({ request, askedAt, countedBefore, receipt })
      const found = receipt ? `number ${receipt.entry.number}` : "unknown"
      this.note(`client ${client}: ${userId}/${requestName(request)} is ${found}`)
    }).pipe(Effect.ignore)
  }

  private changeRule({ client, owner, ruleId, ...operation }: RuleOperation): Acting {
    return Effect.gen({ self: this }, function* () {
      const rule = operation.do === "put a rule" ? operation.rule : undefined
      const sent: SentChange = { owner, ruleId, rule, outcome: "info", answeredAt: 0, sequence: undefined }
      this.judges.changes.push(sent)
      const rules = yield* RuleStore
      const changed: Exit.Exit<{ readonly sequence: number }, { readonly _tag: string }> = yield* Effect.exit<
        { readonly sequence: number },
        { readonly _tag: string },
        never
      >(rule === undefined ? rules.remove(owner, ruleId, {}) : rules.put(owner, ruleId, rule, {}))
      sent.answeredAt = this.world.now()
      if (Exit.isSuccess(changed)) Object.assign(sent, { outcome: "ok", sequence: changed.value.sequence })
      else sent.outcome = failureOf(changed)?._tag === "OutcomeUnknown" ? "info" : "fail"
      this.note(`client ${client}: ${operation.do}, ${owner}/${ruleId} ${sent.outcome} at ${sent.sequence ?? 0}`)
    })
  }

  private act(client: number, operation: Operation): Acting {
    switch (operation.do) {
      case "buy":
        return this.buy(client, operation.requests)
      case "receipt":
        return this.askReceipt(client, operation)
      case "put a rule":
      case "remove a rule":
        return this.changeRule(operation)
      default:
        return this.ask(client, operation)
    }
  }

  private startClient(client: number): void {
    const operations = this.plan.operations.filter((operation) => operation.client === client)
    const acting = Effect.gen({ self: this }, function* () {
      for (const operation of operations) {
        yield* Effect.sleep(operation.at - this.world.now())
        const { context } = this.world.random.choose(this.edges)
        yield* Effect.provide(this.act(client, operation), context)
      }
      this.clientsDone += 1
    })
    this.fork(acting)
  }

  private isDone(): boolean {
    return this.isApplied() && this.judges.isDone()
  }

  private isApplied(): boolean {
    if (this.clientsDone < clients) return false
    for (let partition = 0; partition < partitions; partition += 1) {
      if (this.watch.positionOf(partition) < this.broker.lastInput(partition)) return false
    }
    return true
  }

  /** Returns the time at which each purchase was first sent, by user and purchase id. */
  private firstSentAt(): ReadonlyMap<string, number> {
    const first = new Map<string, number>()
    for (const { request, sentAt } of this.sent) {
      if (isReversalRequest(request)) continue
      const id = `${request.userId}/${request.purchaseId}`
      if (!first.has(id)) first.set(id, sentAt)
    }
    return first
  }

  run(): Outcome {
    const { world, plan, workers } = this
    this.startEdges()
    for (let started = 0; started < plan.workers; started += 1) this.startWorker()
    for (let started = 0; started < plan.judges; started += 1) this.judges.start()
    this.startJanitor()
    for (const fault of plan.faults) world.after(fault.at, () => this.inject(fault))
    for (let client = 0; client < clients; client += 1) this.startClient(client)
    world.run(activeMilliseconds)

    this.note("the faults end")
    world.unkindness = kind
    for (const { link } of [...workers, ...this.edges]) {
      link.spare()
      link.release()
      link.reconnect()
    }
    if (workers.length === 0) this.startWorker()
    this.judges.heal()
    world.run(activeMilliseconds + drainMilliseconds, () => this.isDone())

    const problems = checkHistory(this.watch, this.sent, this.reads, this.receipts)
    const isApplied = this.isApplied()
    if (isApplied) problems.push(...checkCounts(this.watch))
    if (!isApplied) problems.push(`I7 not drained: within ${drainMilliseconds} ms`)
    problems.push(...this.judges.problems(this.firstSentAt()))
    if (isApplied && !this.judges.isDone()) problems.push(`A8 not judged: within ${drainMilliseconds} ms`)
    const records = this.watch.rejected("no JSON")
    if (isApplied && records !== this.poisoned) {
      const name = records < this.poisoned ? "I1 unrecorded" : "I2 recorded twice"
      problems.push(`${name}: ${this.poisoned} poisoned messages left ${records} records`)
    }
    const stopped = this.watch.rejected("account of this user cannot be read")
    if (stopped > 0)
      problems.push(`I7 not drained: ${stopped} purchases are rejected, because an account cannot be read`)
    const acknowledged = this.sent.filter(({ outcome }) => outcome === "ok").length
    if (acknowledged * 2 < this.sent.length)
      problems.push(`invalid: ${acknowledged} of ${this.sent.length} acknowledged`)
    for (const process of workers.slice()) this.end(process)
    this.judges.endAll()
    this.fork(Scope.close(this.edgeScope, Exit.void))
    world.run(world.now())
    return {
      problems,
      events: this.events,
      acknowledged,
      told: this.told,
      wrote: this.wrote,
      judged: this.judges.counts(),
      reversals: this.watch.reversals()
    }
  }
}

/** Runs a plan from the first purchase to the checks. The same plan gives the same run. */
export const simulate = (plan: Plan, plant: Plant = () => ({})): Outcome => new Run(plan, plant).run()
