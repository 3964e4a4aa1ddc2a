import { Duration, Effect, Exit, type Fiber, Layer, Scope } from "effect"
import { decodeAlertPosition } from "../../protocol/AlertPosition.ts"
import {
  alertFilter,
  alertPositionSubject,
  alertsPrefix,
  commitPrefix,
  journalPrefix,
  rulesPrefix
} from "../../protocol/Subject.ts"
import { Judge } from "../../judge/Judge.ts"
import { JudgeMembership } from "../../judge/JudgeMembership.ts"
import { Outbox } from "../../judge/Outbox.ts"
import { ShardState } from "../../judge/ShardState.ts"
import { WindowCache } from "../../judge/WindowCache.ts"
import { AccountReader } from "../../ledger/AccountReader.ts"
import { alertProblems } from "../alerts/AlertProblems.ts"
import type { CheckedRecord } from "../alerts/AlertCheck.ts"
import { type PlacedPurchase, ruleChangeProblems, type SentChange } from "../alerts/RuleChangeProblems.ts"
import { purchasePlaces } from "../alerts/PurchasePlaces.ts"
import type { WindowBounds } from "../../rules/WindowWalk.ts"
import type { Problem } from "../Invariant.ts"
import type { MemoryBroker } from "./MemoryBroker.ts"
import type { MemoryStream, StreamMessage } from "./MemoryStream.ts"
import { Link } from "./Network.ts"
import type { Fault, Plan } from "./Plan.ts"
import { type Exchange, simulatedBrokerLayer, type Swaps } from "./SimulatedBroker.ts"
import type { World } from "./World.ts"

/**
 * A batch has few messages, few window states are kept, and windows become long early. So batches are split, states are
 * dropped, and blocks are read.
 */
const messagesMax = 2
const windowEntriesMax = 100
const windowBounds: WindowBounds = { entriesOfUserMax: 3, blockEntriesMin: 2 }
const heartbeat = Duration.seconds(1)
const lease = Duration.seconds(2)
const judgesMax = 3

type State = (typeof ShardState)["Service"]

const smallState: State = {
  outbox: (stored) => new Outbox(stored, { messagesMax, bytesMax: Number.POSITIVE_INFINITY }),
  windows: () => new WindowCache(windowEntriesMax, windowBounds)
}

interface JudgeProcess {
  readonly name: string
  readonly link: Link
  readonly scope: Scope.Closeable
}

const alertPrefix = alertFilter.slice(0, -1)
const positionPrefix = alertPositionSubject(0).slice(0, -1)

export interface JudgedCounts {
  readonly alerts: number
  readonly splitCommits: number
}

/** The parts of a run that its judges use. */
export interface JudgesOptions {
  readonly plan: Plan
  readonly world: World
  readonly broker: MemoryBroker
  readonly exchange: Exchange
  readonly plant: () => Swaps
  readonly note: (text: string) => void
  readonly fork: (effect: Effect.Effect<unknown, unknown>) => Fiber.Fiber<unknown, unknown>
}

const layerOf = (judge: string) =>
  Judge.layer(judge).pipe(
    Layer.provideMerge(JudgeMembership.layer({ judge, heartbeat, lease })),
    Layer.provideMerge(AccountReader.layer)
  )

const recordsOf = (stream: MemoryStream<string>, prefix: string): ReadonlyArray<CheckedRecord> =>
  stream.allOf(prefix).map(({ subject, sequence, payload }) => ({ subject, sequence, text: payload }))

/** The judges of a run: their processes, their faults, and the check of their alerts. */
export class SimulatedJudges {
  readonly changes: Array<SentChange> = []
  private readonly options: JudgesOptions
  private readonly processes: Array<JudgeProcess> = []
  private started = 0
  /** The sequence of the newest message of the journal that has a commit or rules. */
  private lastJudged = 0
  private hasRules = false

  constructor(options: JudgesOptions) {
    this.options = options
  }

  get links(): ReadonlyArray<Link> {
    return this.processes.map(({ link }) => link)
  }

  /** Takes note of a message of the journal. */
  stored({ subject, sequence }: StreamMessage<string>): void {
    if (subject.startsWith(rulesPrefix)) this.hasRules = true
    else if (!subject.startsWith(commitPrefix)) return
    this.lastJudged = sequence
  }

  start(): void {
    const { world, exchange, plant, note, fork } = this.options
    this.started += 1
    const name = `judge-${this.started}${world.random.letter()}`
    const process: JudgeProcess = { name, link: new Link(name, world), scope: Scope.makeUnsafe() }
    const { link, scope } = process
    this.processes.push(process)
    note(`start ${name}`)
    const swaps = plant()
    const state = Layer.succeed(ShardState, swaps.state?.(smallState) ?? smallState)
    const services = Layer.merge(simulatedBrokerLayer(exchange, link, swaps), state)
    const layer = Layer.fresh(layerOf(name).pipe(Layer.provide(services)))
    // A start that fails because of the broker is tried again, as a process supervisor would do.
    const build: Effect.Effect<unknown> = Effect.suspend(() =>
      link.isDead ? Effect.void : Layer.buildWithScope(layer, scope)
    ).pipe(Effect.catchCause(() => Effect.andThen(Effect.sleep(100), build)))
    fork(build)
  }

  inject({ kind, choice, lasts }: Fault): void {
    const { world } = this.options
    const process = this.processes[Math.floor(choice * this.processes.length)]
    if (process === undefined) return this.start()
    const { link, name } = process
    switch (kind) {
      case "kill a judge":
        this.kill(process)
        world.after(lasts / 2, () => this.start())
        return
      case "a judge joins":
        if (this.processes.length < judgesMax) this.start()
        return
      case "cut a judge off":
        link.disconnect()
        world.after(lasts, () => link.reconnect())
        return
      case "hold a judge back":
        link.hold()
        world.after(lasts, () => link.release())
        return
      case "a judge is deaf":
        return link.deafen(lasts)
      case "a judge dies as it writes":
        link.dieOf("store alerts", lasts % 2 === 0, () => {
          this.options.note(`${name} dies as it writes`)
          this.end(process)
          world.after(lasts / 2, () => this.start())
        })
    }
  }

  /** Ends the faults of all judges. Starts a judge if no judge runs. */
  heal(): void {
    for (const link of this.links) {
      link.spare()
      link.release()
      link.reconnect()
    }
    if (this.processes.length === 0) this.start()
  }

  /** Returns whether every shard is judged up to the newest commit and the newest rules. */
  isDone(): boolean {
    if (!this.hasRules) return true
    for (let shard = 0; shard < this.options.plan.shards; shard += 1) {
      const newest = this.options.broker.alerts.newest(alertPositionSubject(shard))
      if (newest === undefined || decodeAlertPosition(newest.payload).through < this.lastJudged) return false
    }
    return true
  }

  /** Returns the problems in the alerts, and in the changes of rules. */
  problems(sentAt: ReadonlyMap<string, number>): ReadonlyArray<Problem> {
    const { journal, alerts } = this.options.broker
    const records = recordsOf(journal, journalPrefix)
    const purchases = purchasePlaces(records).map((place): PlacedPurchase => ({
      ...place,
      sentAt: sentAt.get(`${place.userId}/${place.purchaseId}`) ?? Number.NEGATIVE_INFINITY
    }))
    return [
      ...alertProblems(records, recordsOf(alerts, alertsPrefix), this.options.plan.shards),
      ...ruleChangeProblems(records, this.changes, purchases)
    ]
  }

  /** Returns the number of messages with alerts, and of positions within a commit. */
  counts(): JudgedCounts {
    const { alerts } = this.options.broker
    const positions = alerts.allOf(positionPrefix).map(({ payload }) => decodeAlertPosition(payload))
    return {
      alerts: alerts.allOf(alertPrefix).length,
      splitCommits: positions.filter(({ messages }) => messages > 0).length
    }
  }

  endAll(): void {
    for (const process of this.processes.slice()) this.end(process)
  }

  private kill(process: JudgeProcess): void {
    if (process.link.isDead) return
    this.options.note(`kill ${process.name}`)
    this.end(process)
  }

  private end(process: JudgeProcess): void {
    const index = this.processes.indexOf(process)
    if (index >= 0) this.processes.splice(index, 1)
    process.link.die()
    this.options.fork(Scope.close(process.scope, Exit.void))
  }
}
