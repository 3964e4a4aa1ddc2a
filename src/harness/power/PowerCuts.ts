import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { BrokerAdmin } from "../system/BrokerAdmin.ts"
import { OperationLog } from "../system/OperationLog.ts"
import { seeded } from "../system/Random.ts"
import { type Ask, askAt, readAccount } from "../system/Shopper.ts"
import { sold } from "../system/Sold.ts"
import { freePort, projectRoot, TestBroker, until } from "../system/TestBroker.ts"
import { TestProcess } from "../system/TestProcess.ts"
import type { CuttableDisk } from "./CuttableDisk.ts"

const partitions = 8
/** The disk is far smaller than the input log would be at most. */
const inputBytesMax = 256 * 1024 ** 2
const users = Array.from({ length: 12 }, (_, index) => `user${index}`)
const lanesOfUser = 2
/** So many purchases are acknowledged between one cut and the next, more or less. */
const acknowledgedBetweenCuts = { least: 50, most: 250 }
const waitMilliseconds = 60_000

export interface PowerCutPlan {
  readonly cuts: number
  readonly seed: number
  /** Whether the broker syncs before it confirms; without that it does after two minutes, and loses. */
  readonly syncsAlways: boolean
  readonly report?: (line: string) => void
}

export interface PowerCutOutcome {
  readonly acknowledged: number
  /** Requests that were answered by no acknowledgement. */
  readonly failures: number
  /** What is wrong with the accounts. */
  readonly mistakes: ReadonlyArray<string>
  /** The same after everything was started once more. */
  readonly later: ReadonlyArray<string>
}

/** The project's nats.conf without the line that makes the broker sync at once. */
const lazyConfiguration = (directory: string): string => {
  const path = join(directory, "lazy.conf")
  const always = readFileSync(join(projectRoot, "nats.conf"), "utf8")
  const lazy = always.replace(/^ *sync_interval: always\n/mu, "")
  if (lazy === always) throw new Error("nats.conf does not say sync_interval: always")
  writeFileSync(path, lazy)
  return path
}

/** A broker on a disk that can lose its power, and a worker and an edge, which keep nothing. */
class Machine {
  readonly ask: Ask
  private readonly disk: CuttableDisk
  private readonly broker: TestBroker
  private readonly port: number
  private readonly processes = new Map<"worker" | "edge", TestProcess>()

  private constructor(disk: CuttableDisk, broker: TestBroker, port: number) {
    this.disk = disk
    this.broker = broker
    this.port = port
    this.ask = askAt(port)
  }

  static async start(disk: CuttableDisk, syncsAlways: boolean): Promise<Machine> {
    const broker = await TestBroker.start({
      directory: disk.mountPoint,
      ...(syncsAlways ? {} : { configuration: lazyConfiguration(disk.directory) })
    })
    const machine = new Machine(disk, broker, await freePort())
    machine.startProcesses()
    await machine.ready()
    // A lazy broker would lose its streams as well, and not even start. What it loses here are purchases.
    if (!syncsAlways) disk.sync()
    return machine
  }

  /**
   * Without power nothing runs. A broker that ran on between the end of its disk and its own would see writes fail, which
   * no power cut shows to anybody, and could confirm what it had only begun to write.
   */
  private async cutPower(): Promise<void> {
    await this.broker.freeze()
    this.disk.cutPower()
  }

  /** Cuts the power of the broker alone, and starts it again. */
  async loseBroker(): Promise<void> {
    await this.cutPower()
    await this.broker.kill()
    this.disk.restorePower()
    await this.broker.run()
  }

  /** Cuts the power of all three, and starts them again. */
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
    const admin = await BrokerAdmin.open(this.broker.url, partitions)
    await admin.untilApplied(waitMilliseconds).finally(() => admin.close())
  }

  async stop(): Promise<void> {
    await Promise.all([this.broker.kill(), this.killProcesses()])
  }

  private startProcesses(): void {
    for (const role of ["worker", "edge"] as const) {
      const environment = {
        NATS_URL: this.broker.url,
        PORT: String(this.port),
        PARTITIONS: String(partitions),
        INPUT_BYTES_MAX: String(inputBytesMax),
        WORKER_ID: role,
        // After every revision, so that power is cut while heads are written.
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

/** Sells to all users at once until nobody wants that any more. */
const sellUntil = (given: { readonly ask: Ask; readonly log: OperationLog; readonly enough: AbortSignal }) =>
  Promise.all(
    users.flatMap((user) =>
      Array.from({ length: lanesOfUser }, async (_, lane) => {
        for (let number = 1; !given.enough.aborted; number += 1) {
          const sale = sold(user, `${lane}-${number}`, { valueCents: 100 + number })
          await given.log.sell(given.ask, sale, given.enough)
        }
      })
    )
  )

/** What is wrong with the accounts when everything that is stored is applied. */
const mistakesOf = async (machine: Machine, log: OperationLog): Promise<ReadonlyArray<string>> => {
  await machine.ready()
  await machine.untilApplied()
  const found = users.map(async (user) => {
    const mistakes = log.mistakesOf(user, await readAccount(machine.ask, user))
    return mistakes.map((mistake) => `${user}: ${mistake}`)
  })
  return (await Promise.all(found)).flat()
}

/**
 * Sells purchases, and cuts the power of the broker's disk again and again meanwhile: every other time that of worker
 * and edge as well. In the end all histories are held against what was acknowledged, and again after one more cut.
 */
export const runPowerCuts = async (disk: CuttableDisk, plan: PowerCutPlan): Promise<PowerCutOutcome> => {
  const random = seeded(plan.seed)
  const log = new OperationLog()
  const machine = await Machine.start(disk, plan.syncsAlways)
  const enough = new AbortController()
  const selling = sellUntil({ ask: machine.ask, log, enough: enough.signal })
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
