import { BrokerAdmin } from "../system/BrokerAdmin.ts"
import { piecesOf } from "../system/Sold.ts"
import { type ReadAccount, readAccount } from "../system/Shopper.ts"
import { countsOf, lease, planFaults } from "./FaultPlan.ts"
import { Fleet } from "./Fleet.ts"
import { Injector } from "./Injector.ts"
import { checkInvariants, type RejectedRecord } from "./LedgerCheck.ts"
import { readOperations } from "./Operations.ts"
import { linesOf, RunLog } from "./RunLog.ts"
import { Shoppers } from "./Shoppers.ts"
import { SmallDisk } from "./SmallDisk.ts"
import type { RunResult } from "./Verdict.ts"

const partitions = 8
const workers = 3
const edges = 3
const users = 64
const sessions = 16
const drainWithin = 60_000
/** The duplicate window of the broker, in milliseconds. It is short, so that many repeats come after it. */
const duplicateWindow = 2_000
const recordsReadAtOnce = 50
const mistakenWorker = "src/harness/faults/MistakenWorker.ts"

export interface RunOptions {
  readonly seed: number
  readonly minutes: number
  readonly isCluster: boolean
  /** The path of the operation log. */
  readonly logPath: string
  /** The number of a mistake in Mistakes.ts of the simulation. The workers of the run make this mistake. */
  readonly mistake?: number
  /** Called each second with the progress of the run. */
  readonly progress?: (text: string) => void
}

const environment = {
  PARTITIONS: String(partitions),
  DUPLICATE_WINDOW: `${duplicateWindow} millis`,
  WORKER_LEASE: `${lease} millis`,
  // The small disk has more room than this bound of the input log.
  INPUT_BYTES_MAX: String(512 * 1024 ** 2),
  // Applied input is soon removed, and accounts soon leave memory, so that purging and passivation happen among the
  // faults.
  INPUT_RETENTION: "5 seconds",
  JANITOR_INTERVAL: "3 seconds",
  ACTOR_IDLE: "1 second",
  // A hint is due after this number of revisions, half of the users of a partition. So hints and bases are written in
  // turn, and workers die and freeze during these writes.
  TEST_HEADS_REVISIONS: "4"
}

const rejectedRecords = async (admin: BrokerAdmin): Promise<ReadonlyArray<RejectedRecord>> => {
  const records: Array<RejectedRecord> = []
  for (const keys of piecesOf(Object.keys(await admin.keys("rejected.>")), recordsReadAtOnce)) {
    records.push(...(await Promise.all(keys.map(async (key) => ({ key, payload: (await admin.value(key)).payload })))))
  }
  return records
}

const readAccounts = async (fleet: Fleet, users: ReadonlyArray<string>) => {
  const accounts = new Map<string, ReadAccount>()
  const [edge] = fleet.edges
  if (edge === undefined) throw new Error("there is no edge")
  for (const user of users) accounts.set(user, await readAccount(edge.ask, user))
  return accounts
}

/** Returns whether work ends in time. Returns `false` if the work fails. */
const isOverIn = async (work: Promise<unknown>, milliseconds: number): Promise<boolean> => {
  let late: NodeJS.Timeout | undefined
  const isLate = new Promise<false>((resolve) => (late = setTimeout(() => resolve(false), milliseconds)))
  const isOver = work.then(
    () => true,
    () => false
  )
  return Promise.race([isOver, isLate]).finally(() => clearTimeout(late))
}

/**
 * Starts a system of processes, and lets clients use it while the planned faults happen. Then checks the invariants.
 */
export const runFaults = async (options: RunOptions): Promise<RunResult> => {
  const { seed, minutes, isCluster, mistake, progress = () => undefined } = options
  const log = new RunLog(options.logPath)
  const fleet = await Fleet.start({
    workers,
    edges,
    isCluster,
    note: (text) => log.note(text),
    ...(mistake === undefined
      ? { environment }
      : { environment: { ...environment, MISTAKE: String(mistake) }, workerProgram: mistakenWorker })
  })
  const admin = await BrokerAdmin.open(fleet.brokerUrls, partitions)
  const plan = planFaults({ seed, minutes, isCluster, hasSmallDisk: fleet.disk instanceof SmallDisk })
  const planned = countsOf(plan)
  const shoppers = new Shoppers(() => fleet.edges, log, seed, users)
  const injector = new Injector(fleet, shoppers, admin, log, duplicateWindow)
  const faultsPlanned = [...planned.values()].reduce((sum, count) => sum + count, 0)
  const show = setInterval(() => {
    const faults = [...injector.injected.values()].reduce((sum, count) => sum + count, 0)
    const { ok, fail, info } = log.counts
    progress(
      `${Math.round(log.now / 1_000)} of ${Math.round(plan.lasts / 1_000)} s, ${faults} of ${faultsPlanned} faults, ` +
        `operations ${ok} ok, ${fail} failed, ${info} unknown`
    )
  }, 1_000)
  try {
    const shopping = shoppers.run(sessions)
    await injector.run(plan)
    shoppers.finish()
    fleet.heal()
    log.note("the faults are over")
    const healed = log.now
    const hasDrained =
      (await isOverIn(shopping, drainWithin)) &&
      (await isOverIn(admin.untilApplied(drainWithin), healed + drainWithin - log.now))
    const drained = hasDrained ? log.now - healed : undefined
    shoppers.giveUp()
    await shopping
    clearInterval(show)

    progress("reading all accounts")
    const accounts = await readAccounts(fleet, shoppers.users)
    const rejected = await rejectedRecords(admin)
    progress("starting everything again, and reading all accounts")
    await fleet.restartAll()
    const accountsAfterRestart = await readAccounts(fleet, shoppers.users)
    await log.close()
    progress("checking the log")
    const operations = await readOperations(linesOf(options.logPath))
    const findings = checkInvariants(operations, { accounts, accountsAfterRestart, rejected }, injector.poisons)
    if (drained === undefined) findings.add("I7 not drained", `not within ${drainWithin} ms after the faults`)
    return {
      seed,
      operations,
      planned,
      injected: injector.injected,
      skipped: "refused" in fleet.disk ? [`full disk: ${fleet.disk.refused}`] : [],
      findings,
      unexpected: [...shoppers.unexpected, ...fleet.endedByThemselves],
      worstPause: operations.worstPause,
      drained,
      refusedCommits: fleet.refusedCommits
    }
  } finally {
    clearInterval(show)
    await admin.close()
    await fleet.stop()
  }
}
