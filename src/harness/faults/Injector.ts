import { setTimeout as pause } from "node:timers/promises"
import { alertsStream, headsStream, inputStream, journalStream } from "../../protocol/Subject.ts"
import { CrashPointName } from "../../ledger/CrashPoint.ts"
import type { BrokerAdmin } from "../system/BrokerAdmin.ts"
import { sold } from "../system/Sold.ts"
import { until } from "../system/TestBroker.ts"
import { type Fault, type FaultKind, type FaultPlan, loneJudge } from "./FaultPlan.ts"
import type { Broker, Fleet, Member, Role } from "./Fleet.ts"
import type { Poison } from "./LedgerCheck.ts"
import type { Direction } from "./Proxy.ts"
import type { RunLog } from "./RunLog.ts"
import type { Shoppers } from "./Shoppers.ts"
import { SmallDisk } from "./SmallDisk.ts"

/**
 * The longest wait for a worker to die at a step of a commit, in milliseconds. A worker that commits nothing never
 * reaches the step.
 */
const deathWithin = 60_000
/** The longest time that a fault waits for a free target, in milliseconds. */
const chooseWithin = 120_000
const repeatsAtOnce = 1_000
const lateRepeats = 10
const poisonTries = 50
const stepDownInterval = 2_000

/** A process dies when it has reached a step of a commit for at most this number of times. */
const workerTimesMax = 20
const judgeTimesMax = 5

/** The steps of a commit that a judge reaches. */
const judgeSteps: ReadonlyArray<CrashPointName> = ["before-commit", "commit-sent", "committed"]

/** The functions that make unreadable messages. Each unreadable message has a token that occurs in no other message. */
const poisonOf: ReadonlyArray<(token: string) => string> = [
  (token) => `{ no JSON ${token}`,
  (token) => JSON.stringify({ hello: token }),
  (token) => JSON.stringify({ version: 1, purchases: [sold("user-0", token, { valueCents: -5 })] }),
  (token) => JSON.stringify({ version: 2, purchases: [sold("user-0", token)] })
]

/** Injects the faults of a plan, each at its time. */
export class Injector {
  /** How often each kind of fault was injected. */
  readonly injected = new Map<FaultKind, number>()
  readonly poisons: Array<Poison> = []
  private readonly fleet: Fleet
  private readonly shoppers: Shoppers
  private readonly admin: BrokerAdmin
  private readonly log: RunLog
  private readonly duplicateWindow: number
  private readonly leaving = new Set<Promise<void>>()
  private guests = 0

  constructor(fleet: Fleet, shoppers: Shoppers, admin: BrokerAdmin, log: RunLog, duplicateWindow: number) {
    this.fleet = fleet
    this.shoppers = shoppers
    this.admin = admin
    this.log = log
    this.duplicateWindow = duplicateWindow
  }

  async run({ tracks }: FaultPlan): Promise<void> {
    const begun = this.log.now
    await Promise.all(
      tracks.map(async (track) => {
        for (const fault of track) {
          await pause(Math.max(0, begun + fault.at - this.log.now))
          if (await this.bringAbout(fault)) this.injected.set(fault.kind, (this.injected.get(fault.kind) ?? 0) + 1)
        }
      })
    )
    await Promise.all(this.leaving)
  }

  /** Injects a fault, and returns whether the fault happened. */
  private async bringAbout({ kind, lasts, choice }: Fault): Promise<boolean> {
    switch (kind) {
      case "kill -9 of a worker":
      case "kill -9 of an edge":
        return this.killMember(kind === "kill -9 of a worker" ? "worker" : "edge", choice)
      case "kill -9 of a judge":
        return this.killMember("judge", choice)
      case "kill -9 of a broker":
        return this.withBroker(kind, choice, (broker) => this.fleet.killBroker(broker))
      case "death at a step of a commit":
        return this.dieAtStep(this.members("worker", false), CrashPointName.literals, workerTimesMax, choice)
      case "death of a judge at a step":
        // Only the judge that hears no other judge surely reaches a step of a commit. Of the judges that hear each
        // other, only one judges the one shard.
        return this.dieAtStep(
          () => this.members("judge", false)().filter(({ name }) => name === loneJudge),
          judgeSteps,
          judgeTimesMax,
          choice
        )
      case "frozen worker":
      case "frozen judge":
        return this.freeze(kind, kind === "frozen worker" ? "worker" : "judge", choice, lasts)
      case "judge cut off":
        return this.cutMember(kind, "judge", choice, lasts, ["out", "in"])
      case "cut to the broker":
        return this.cutOff(kind, choice, lasts, ["out"])
      case "cut from the broker":
        return this.cutOff(kind, choice, lasts, ["in"])
      case "cut both ways":
        return this.cutOff(kind, choice, lasts, ["out", "in"])
      case "worker joins":
        this.guests += 1
        this.log.note(`guest-${this.guests} joins`)
        await this.fleet.add("worker", `guest-${this.guests}`)
        return true
      case "worker leaves":
        return this.leave()
      case "full disk":
        return this.fillDisk(lasts)
      case "poison":
        return this.poison(choice)
      case "1,000 repeats at once":
        return this.repeatAtOnce()
      case "repeats after the window":
        return this.repeatLate()
      case "frozen broker":
        return this.withBroker(kind, choice, async ({ broker }) => {
          await broker.freeze()
          await pause(lasts)
          broker.wake()
        })
      case "isolated broker":
        return this.withBroker(kind, choice, (broker) => this.isolate(broker, lasts))
      case "isolated leader":
        return this.isolateLeader(lasts)
      case "leaders step down":
        return this.stepDown(lasts)
    }
  }

  /** Waits for a target that no other fault uses, and returns the target. */
  private async choose<A extends { readonly isHeld: boolean }>(
    all: () => ReadonlyArray<A>,
    choice: number
  ): Promise<A> {
    let free: ReadonlyArray<A> = []
    await until("somebody can be chosen", () => (free = all().filter(({ isHeld }) => !isHeld)).length > 0, chooseWithin)
    const chosen = free[Math.floor(choice * free.length)]
    if (chosen === undefined) throw new Error(`no choice ${choice} among ${free.length}`)
    return chosen
  }

  private members(role: Role, withGuests: boolean): () => ReadonlyArray<Member> {
    return () =>
      [...this.fleet.members].filter(
        (member) => member.role === role && !member.isLeaving && (withGuests || !member.name.startsWith("guest"))
      )
  }

  /** Holds a target while a fault acts on it, so that no other fault chooses the target. */
  private async hold<A>(what: string, target: Member | Broker, act: () => Promise<A>): Promise<A> {
    target.isHeld = true
    this.log.note(`${what}: ${target.name}`)
    const result = await act()
    target.isHeld = false
    this.log.note(`${what}: ${target.name}, over`)
    return result
  }

  private async withMember(
    what: string,
    members: () => ReadonlyArray<Member>,
    choice: number,
    act: (member: Member) => Promise<void>
  ): Promise<true> {
    const member = await this.choose(members, choice)
    await this.hold(what, member, () => act(member))
    return true
  }

  private async withBroker(what: string, choice: number, act: (broker: Broker) => Promise<void>): Promise<true> {
    const broker = await this.choose(() => this.fleet.brokers, choice)
    await this.hold(what, broker, () => act(broker))
    return true
  }

  /** Cuts a broker off from the other brokers for a time, in milliseconds. */
  private async isolate({ routes }: Broker, lasts: number): Promise<void> {
    for (const route of routes) route.cut(["out", "in"])
    await pause(lasts)
    for (const route of routes) route.heal()
  }

  /**
   * Makes one broker the leader of the input log, of the journal and of the group that assigns streams to brokers, and
   * cuts this broker off. Such a broker takes itself for the leader for as long as any broker does.
   */
  private async isolateLeader(lasts: number): Promise<boolean> {
    let found: Broker | undefined
    const isFree = async () => (found = await this.fleet.leaderOfCluster())?.isHeld === false
    await until("the leader of the cluster is free", isFree, chooseWithin)
    const leader: Broker | undefined = found
    if (leader === undefined) return false
    return this.hold("isolated leader", leader, async () => {
      const streams = [inputStream, journalStream]
      const leads = await Promise.all(streams.map((stream) => this.admin.makeLeader(stream, leader.name)))
      await this.isolate(leader, lasts)
      return leads.every(Boolean)
    })
  }

  private async killMember(role: Role, choice: number): Promise<true> {
    const member = await this.choose(this.members(role, true), choice)
    this.log.note(`kill -9 of ${member.name}`)
    await this.fleet.killMember(member)
    return true
  }

  private async freeze(what: string, role: Role, choice: number, lasts: number): Promise<true> {
    return this.withMember(what, this.members(role, false), choice, async (member) => {
      const frozen = member.process
      frozen?.signal("SIGSTOP")
      await pause(lasts)
      frozen?.wake()
    })
  }

  /**
   * Makes a member die when it has reached a step of a commit for a chosen number of times. If the member does not
   * reach the step often enough, makes a member die when it first reaches the step.
   */
  private async dieAtStep(
    members: () => ReadonlyArray<Member>,
    steps: ReadonlyArray<CrashPointName>,
    timesMax: number,
    choice: number
  ): Promise<boolean> {
    const step = steps[Math.floor(choice * steps.length)]
    // The later digits of `choice` choose the number of times, because the first digits have chosen the step.
    const times = 1 + Math.floor(((choice * 1_000) % 1) * timesMax)
    const hasDied = await this.dieAt(members, `${step}:${times}`, choice)
    return hasDied || this.dieAt(members, `${step}:1`, choice)
  }

  private async dieAt(members: () => ReadonlyArray<Member>, step: string, choice: number): Promise<boolean> {
    let hasDied = false
    await this.withMember(`death at ${step}`, members, (choice * 7) % 1, async (member) => {
      await this.fleet.end(member)
      // The setting TEST_CRASH_POINT makes the new process die, so the end of the process is expected.
      this.fleet.launch(member, { TEST_CRASH_POINT: step })
      const dying = member.process
      member.process = undefined
      const late = setTimeout(() => dying?.signal("SIGTERM"), deathWithin)
      hasDied = (await dying?.ended)?.signal === "SIGKILL"
      clearTimeout(late)
      this.fleet.launch(member)
    })
    return hasDied
  }

  /** Cuts a worker or an edge off from all brokers. */
  private async cutOff(what: string, choice: number, lasts: number, directions: ReadonlyArray<Direction>) {
    return this.cutMember(what, choice < 0.6 ? "worker" : "edge", (choice * 10) % 1, lasts, directions)
  }

  private async cutMember(
    what: string,
    role: Role,
    choice: number,
    lasts: number,
    directions: ReadonlyArray<Direction>
  ): Promise<true> {
    return this.withMember(what, this.members(role, false), choice, async ({ proxies }) => {
      for (const proxy of proxies) proxy.cut(directions)
      await pause(lasts)
      for (const proxy of proxies) proxy.heal()
    })
  }

  private async leave(): Promise<true> {
    const guests = () => [...this.fleet.members].filter(({ name, isLeaving }) => name.startsWith("guest") && !isLeaving)
    const guest = await this.choose(guests, 0)
    this.log.note(`${guest.name} leaves`)
    const leaving = this.fleet.dismiss(guest).finally(() => this.leaving.delete(leaving))
    this.leaving.add(leaving)
    return true
  }

  /**
   * Fills the disk of a broker, and starts the broker again later. After a full disk, a broker stores no message until
   * it is started again, even if the disk has room.
   */
  private async fillDisk(lasts: number): Promise<boolean> {
    const { disk, brokers } = this.fleet
    const [first] = brokers
    if (!(disk instanceof SmallDisk) || first === undefined) return false
    await until("the broker on the small disk is free", () => !first.isHeld, chooseWithin)
    first.isHeld = true
    this.log.note("full disk")
    disk.fill()
    await pause(lasts)
    disk.free()
    await this.fleet.killBroker(first)
    first.isHeld = false
    this.log.note("full disk, over")
    return true
  }

  private async poison(choice: number): Promise<boolean> {
    const payloadOf = poisonOf[Math.floor(choice * poisonOf.length)]
    for (let attempt = 1; attempt <= poisonTries; attempt += 1) {
      const token = `poison-${this.poisons.length + 1}-x`
      // The broker derives the partition of the message from this subject.
      const stored = this.admin.publish("purchases.user-0", payloadOf?.(token) ?? token)
      const sequence = await stored.catch(() => undefined)
      this.poisons.push({ token, sequence })
      if (sequence !== undefined) return true
      await pause(500)
    }
    return false
  }

  private async repeatAtOnce(): Promise<true> {
    // The repeats prove little unless several edges answer the repeats.
    const areSeveralReady = async () => (await this.fleet.readyEdges()) >= 2
    await until("several edges are ready", areSeveralReady, chooseWithin)
    const sale = this.shoppers.newSale()
    this.log.note(`${repeatsAtOnce} times at once: ${sale.userId}/${sale.purchaseId}`)
    await Promise.all(Array.from({ length: repeatsAtOnce }, () => this.shoppers.send(sale)))
    await this.shoppers.buy(sale, true)
    return true
  }

  private async repeatLate(): Promise<true> {
    for (let count = 0; count < lateRepeats; count += 1) {
      const old = this.shoppers.soldBefore(this.duplicateWindow)
      if (old !== undefined) await this.shoppers.buy(old, true)
    }
    return true
  }

  private async stepDown(lasts: number): Promise<boolean> {
    const end = this.log.now + lasts
    let steps = 0
    this.log.note("leaders step down")
    while (this.log.now < end) {
      for (const stream of [inputStream, journalStream, headsStream, alertsStream]) {
        steps += await this.admin.api(`STREAM.LEADER.STEPDOWN.${stream}`).then(
          () => 1,
          () => 0
        )
      }
      await pause(stepDownInterval)
    }
    return steps > 0
  }
}
