import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { decodeRejection } from "../../protocol/Rejection.ts"
import { alertFilter, alertsStream, journalPrefix, journalStream, rejectedFilter } from "../../protocol/Subject.ts"
import { encodeRule } from "../../rules/Rule.ts"
import { mistakesOfJudge, readLedger, untilJudged } from "../alerts/JudgedSystem.ts"
import { rulesFor } from "../alerts/SomeRules.ts"
import { ledgerReversalProblems, recordedReversal } from "../ReversalCheck.ts"
import { BrokerAdmin, type StreamRecord } from "../system/BrokerAdmin.ts"
import { OperationLog } from "../system/OperationLog.ts"
import { seeded } from "../system/Random.ts"
import { type Ask, askAt, readAccount } from "../system/Shopper.ts"
import { sold, type Sold } from "../system/Sold.ts"
import { freePort, projectRoot, TestBroker, until } from "../system/TestBroker.ts"
import { setUpStreams, testSettings } from "../system/TestLedger.ts"
import { TestProcess } from "../system/TestProcess.ts"
import type { CuttableDisk } from "./CuttableDisk.ts"

const partitions = 8
/** The bound of the input log in bytes. The default bound of the input log would be larger than the disk. */
const inputBytesMax = 256 * 1024 ** 2
const users = Array.from({ length: 12 }, (_, index) => `user${index}`)
const lanesOfUser = 2
const purchasesBetweenReversals = 4
/** The bounds of the number of purchases that are acknowledged between two power cuts. */
const acknowledgedBetweenCuts = { least: 50, most: 250 }
const waitMilliseconds = 60_000
/**
 * The users who have rules, the number of rules of each user, and the time between two changes of rules, in
 * milliseconds.
 */
const owners = users.slice(0, 2)
const ruleIds = ["one", "two", "three"]
const ruleChangesEvery = 50

export interface PowerCutPlan {
  readonly cuts: number
  readonly seed: number
  /**
   * Whether the broker syncs its disk before it acknowledges a message. If `syncsAlways` is `false`, the broker syncs
   * every two minutes, and loses purchases in a power cut.
   */
  readonly syncsAlways: boolean
  readonly report?: (line: string) => void
}

export interface PowerCutOutcome {
  readonly acknowledged: number
  /** The number of requests that were not acknowledged. */
  readonly failures: number
  /** The mistakes in the accounts and in the alerts, as texts for people. */
  readonly mistakes: ReadonlyArray<string>
  /** The mistakes that were found after a final power cut and a restart of all processes. */
  readonly later: ReadonlyArray<string>
}

/**
 * Writes a copy of the project's nats.conf without the line that makes the broker sync at once. Returns the path of the
 * copy.
 */
const lazyConfiguration = (directory: string): string => {
  const path = join(directory, "lazy.conf")
  const always = readFileSync(join(projectRoot, "nats.conf"), "utf8")
  const lazy = always.replace(/^ *sync_interval: always\n/mu, "")
  if (lazy === always) throw new Error("nats.conf does not say sync_interval: always")
  writeFileSync(path, lazy)
  return path
}

/**
 * A broker on a disk that can lose its power, with a worker, a judge and an edge. The worker, the judge and the edge
 * keep nothing on a disk. A broker that does not sync each message has no judge, because such a broker may lose more of
 * the journal than of the alerts.
 */
class Machine {
  readonly ask: Ask
  private readonly disk: CuttableDisk
  private readonly broker: TestBroker
  private readonly port: number
  private readonly processes = new Map<"worker" | "edge" | "judge", TestProcess>()
  readonly hasJudge: boolean
  /** The newest alert that a reader had read before each power cut. */
  readonly seen: Array<StreamRecord> = []

  private constructor(disk: CuttableDisk, broker: TestBroker, port: number, hasJudge: boolean) {
    this.disk = disk
    this.broker = broker
    this.port = port
    this.hasJudge = hasJudge
    this.ask = askAt(port)
  }

  static async start(disk: CuttableDisk, syncsAlways: boolean): Promise<Machine> {
    const broker = await TestBroker.start({
      directory: disk.mountPoint,
      ...(syncsAlways ? {} : { configuration: lazyConfiguration(disk.directory) })
    })
    await setUpStreams(
      testSettings({
        NATS_URL: broker.url,
        PARTITIONS: String(partitions),
        INPUT_BYTES_MAX: String(inputBytesMax)
      })
    )
    const machine = new Machine(disk, broker, await freePort(), syncsAlways)
    machine.startProcesses()
    await machine.ready()
    // Without a sync of the disk, a broker that syncs rarely would lose its streams in a power cut, and could not
    // start. The test wants the broker to lose only purchases.
    if (!syncsAlways) disk.sync()
    return machine
  }

  /**
   * Freezes the broker, and then cuts the power of its disk. A broker that kept running would see failed writes, which
   * a real power cut never shows. A broker that kept running could acknowledge a write that it had only begun.
   */
  private async cutPower(): Promise<void> {
    await this.see()
    await this.broker.freeze()
    this.disk.cutPower()
  }

  /** Cuts the power of the broker alone, and starts the broker again. */
  async loseBroker(): Promise<void> {
    await this.cutPower()
    await this.broker.kill()
    this.disk.restorePower()
    await this.broker.run()
  }

  /** Cuts the power of the broker, the worker, the judge and the edge, and starts all of these processes again. */
  async loseEverything(): Promise<void> {
    await this.cutPower()
    await Promise.all([this.broker.kill(), this.killProcesses()])
    this.disk.restorePower()
    await this.broker.run()
    this.startProcesses()
  }

  async ready(): Promise<void> {
    const isReady = () =>
      this.ask("/readyz").then(
        ({ ok }) => ok,
        () => false
      )
    await until("the edge is ready", isReady, waitMilliseconds)
  }

  async untilApplied(): Promise<void> {
    await this.withAdmin((admin) => admin.untilApplied(waitMilliseconds))
  }

  /** Waits until the journal is judged, and returns the mistakes in the alerts. */
  async mistakesOfAlerts(): Promise<ReadonlyArray<string>> {
    if (!this.hasJudge) return []
    return this.withAdmin(async (admin) => {
      await untilJudged(admin, 0, waitMilliseconds)
      const stored = new Map((await admin.records(alertsStream, alertFilter)).map((one) => [one.sequence, one.text]))
      const lost = this.seen.filter(({ sequence, text }) => stored.get(sequence) !== text)
      return [
        ...(await mistakesOfJudge(admin)),
        ...lost.map(({ subject, sequence }) => `${subject} at ${sequence} was read before a cut, and is lost`)
      ]
    })
  }

  /** Returns the rejected records, and the mistakes in the reversals of the journal. */
  async recordedReversals() {
    return this.withAdmin(async (admin) => {
      const records = await admin.records(journalStream, journalPrefix + rejectedFilter)
      const rejections = records.map(({ text }) => decodeRejection(text))
      const { journal } = await readLedger(admin)
      return { rejections, mistakes: ledgerReversalProblems(journal, rejections) }
    })
  }

  async stop(): Promise<void> {
    await Promise.all([this.broker.kill(), this.killProcesses()])
  }

  /** Reads and remembers the newest alert, as a reader of alerts does. */
  private async see(): Promise<void> {
    if (!this.hasJudge) return
    const newest = await this.withAdmin((admin) => admin.lastRecord(alertsStream, alertFilter))
    if (newest !== undefined) this.seen.push(newest)
  }

  private async withAdmin<A>(use: (admin: BrokerAdmin) => Promise<A>): Promise<A> {
    const admin = await BrokerAdmin.open(this.broker.url, partitions)
    return use(admin).finally(() => admin.close())
  }

  private startProcesses(): void {
    for (const role of this.hasJudge ? (["worker", "judge", "edge"] as const) : (["worker", "edge"] as const)) {
      const environment = {
        NATS_URL: this.broker.url,
        PORT: String(this.port),
        PARTITIONS: String(partitions),
        INPUT_BYTES_MAX: String(inputBytesMax),
        WORKER_ID: role,
        // Heads are written after every revision, so that the power is cut during writes of heads.
        TEST_HEADS_REVISIONS: "1",
        DATA_DIR: this.disk.directory
      }
      this.processes.set(role, new TestProcess(role, environment))
    }
  }

  private async killProcesses(): Promise<void> {
    await Promise.all(Array.from(this.processes.values(), (one) => one.kill()))
  }
}

/** The edge to which clients send purchases, the log of their requests, and the signal that ends the sending. */
interface Selling {
  readonly ask: Ask
  readonly log: OperationLog
  readonly enough: AbortSignal
  /** Whether clients reverse purchases. A reversal of a purchase that the broker has lost would fail for ever. */
  readonly reverses: boolean
}

/** Sends two reversals of all pieces of a purchase at the same time. At most one of the two reversals is applied. */
const reverseTwice = ({ userId, purchaseId }: Sold, { ask, log, enough }: Selling) =>
  Promise.all(
    ["a", "b"].map((which) => {
      const reversal = { reversalId: `${which}-${purchaseId}`, userId, purchaseId, reason: "Returned" }
      return log.reverse(ask, reversal, enough)
    })
  )

/** Sends purchases and reversals for all users at the same time until `enough` is aborted. */
const sellUntil = (given: Selling) =>
  Promise.all(
    users.flatMap((user) =>
      Array.from({ length: lanesOfUser }, async (_, lane) => {
        for (let number = 1; !given.enough.aborted; number += 1) {
          const sale = sold(user, `${lane}-${number}`, { valueCents: 100 + number })
          await given.log.sell(given.ask, sale, given.enough)
          if (given.reverses && number % purchasesBetweenReversals === 0) await reverseTwice(sale, given)
        }
      })
    )
  )

/** Changes rules one after another until `enough` is aborted. Does not send a failed change again. */
const changeRulesUntil = async (ask: Ask, enough: AbortSignal): Promise<void> => {
  for (let number = 0; !enough.aborted; number += 1) {
    const owner = owners[number % owners.length]
    const ruleId = ruleIds[number % ruleIds.length]
    const rule = rulesFor.faults[number % rulesFor.faults.length]
    const put = rule === undefined || number % 4 === 0 ? undefined : encodeRule(rule)
    const init =
      put === undefined
        ? { method: "DELETE" }
        : { method: "PUT", body: put, headers: { "content-type": "application/json" } }
    await ask(`/users/${owner}/rules/${ruleId}`, { ...init, signal: AbortSignal.timeout(waitMilliseconds) }).then(
      (response) => response.text(),
      () => undefined
    )
    await pause(ruleChangesEvery)
  }
}

/** Waits until all stored input is applied, and returns the mistakes in the accounts and alerts. */
const mistakesOf = async (machine: Machine, log: OperationLog): Promise<ReadonlyArray<string>> => {
  await machine.ready()
  await machine.untilApplied()
  const { rejections, mistakes } = await machine.recordedReversals()
  const recorded = rejections.flatMap((rejection) => recordedReversal(rejection)?.reversal ?? [])
  const found = users.map(async (user) => {
    const ids = recorded.filter(({ userId }) => userId === user).map(({ reversalId }) => reversalId)
    const ofUser = log.mistakesOf(user, await readAccount(machine.ask, user), new Set<string>(ids))
    return ofUser.map((mistake) => `${user}: ${mistake}`)
  })
  return [...(await Promise.all(found)).flat(), ...mistakes, ...(await machine.mistakesOfAlerts())]
}

/**
 * Sends purchases, changes rules, and cuts the power of the broker's disk again and again. Every second power cut ends
 * the worker, the judge and the edge together with the broker. At the end computes all alerts again, and compares all
 * histories with the acknowledged purchases. Repeats the checks of alerts and histories after a final power cut.
 */
export const runPowerCuts = async (disk: CuttableDisk, plan: PowerCutPlan): Promise<PowerCutOutcome> => {
  const random = seeded(plan.seed)
  const log = new OperationLog()
  const machine = await Machine.start(disk, plan.syncsAlways)
  const enough = new AbortController()
  const selling = Promise.all([
    sellUntil({ ask: machine.ask, log, enough: enough.signal, reverses: plan.syncsAlways }),
    machine.hasJudge ? changeRulesUntil(machine.ask, enough.signal) : undefined
  ])
  try {
    const { least, most } = acknowledgedBetweenCuts
    for (let cut = 1; cut <= plan.cuts; cut += 1) {
      const moment = log.acknowledged + least + Math.floor(random() * (most - least))
      await until(`${moment} are acknowledged`, () => log.acknowledged >= moment, waitMilliseconds)
      await (cut % 2 === 1 ? machine.loseEverything() : machine.loseBroker())
      plan.report?.(`cut ${cut} of ${plan.cuts}: ${log.acknowledged} acknowledged, ${log.failures} requests failed`)
    }
    enough.abort()
    await selling
    const mistakes = await mistakesOf(machine, log)
    await machine.loseEverything()
    const later = await mistakesOf(machine, log)
    return { acknowledged: log.acknowledged, failures: log.failures, mistakes, later }
  } finally {
    enough.abort()
    await machine.stop()
  }
}
