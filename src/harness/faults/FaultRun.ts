import type { CheckedRecord } from "../alerts/AlertCheck.ts"
import { deliveryProblems, type ReceivedAttempt } from "../alerts/DeliveryProblems.ts"
import { alertProblems } from "../alerts/AlertProblems.ts"
import { readLedger, untilJudged } from "../alerts/JudgedSystem.ts"
import { purchasePlaces } from "../alerts/PurchasePlaces.ts"
import { ruleChangeProblems } from "../alerts/RuleChangeProblems.ts"
import type { Problem } from "../Invariant.ts"
import type { Rejection } from "../../protocol/Rejection.ts"
import { ledgerReversalProblems } from "../ReversalCheck.ts"
import { BrokerAdmin } from "../system/BrokerAdmin.ts"
import { piecesOf } from "../system/Sold.ts"
import { type ReadAccount, readAccount } from "../system/Shopper.ts"
import { AlertReceiver } from "./AlertReceiver.ts"
import { Clients } from "./Clients.ts"
import { countsOf, type FaultPlan, judges, lease, loneJudge, planFaults } from "./FaultPlan.ts"
import { Fleet } from "./Fleet.ts"
import { Injector } from "./Injector.ts"
import type { Findings } from "./Findings.ts"
import { checkInvariants, type FinalLedger } from "./LedgerCheck.ts"
import { type Operations, readOperations } from "./Operations.ts"
import { linesOf, RunLog } from "./RunLog.ts"
import { SmallDisk } from "./SmallDisk.ts"
import type { RunResult } from "./Verdict.ts"
import type { WebhookOwners } from "./WebhookOwners.ts"

const partitions = 8
const workers = 3
const edges = 3
const drainWithin = 60_000
/**
 * The duplicate window of the broker, in milliseconds. The duplicate window of a fault run is so short that many
 * repeats come after its end.
 */
const duplicateWindow = 2_000
const recordsReadAtOnce = 50
const mistakenWorker = "src/harness/faults/MistakenWorker.ts"
const loneJudgeProgram = "src/harness/faults/LoneJudge.ts"

export interface RunOptions {
  readonly seed: number
  readonly minutes: number
  readonly isCluster: boolean
  /** The path of the operation log. */
  readonly logPath: string
  /**
   * The number of a planted mistake that workers make, or the name, like `J4`, of a planted mistake that judges make.
   */
  readonly mistake?: string
  /** Called each second with a text about the progress of the fault run. */
  readonly progress?: (text: string) => void
}

const environment = {
  PARTITIONS: String(partitions),
  DUPLICATE_WINDOW: `${duplicateWindow} millis`,
  WORKER_LEASE: `${lease} millis`,
  // The bound of the input log is smaller than the small disk.
  INPUT_BYTES_MAX: String(512 * 1024 ** 2),
  // Applied input is soon removed, and accounts soon leave memory, so that purging and passivation happen during
  // faults.
  INPUT_RETENTION: "5 seconds",
  JANITOR_INTERVAL: "3 seconds",
  ACTOR_IDLE: "1 second",
  // The webhooks have a receiver in the process of the fault run.
  TEST_WEBHOOK_LOOPBACK: "yes",
  // A hint is due after four revisions, so that hints and bases are written again and again. With so many writes, some
  // workers die or freeze while they write heads.
  TEST_HEADS_REVISIONS: "4"
}

const rejectedRecords = async (admin: BrokerAdmin) => {
  const records: Array<Rejection & { readonly key: string }> = []
  for (const keys of piecesOf(Object.keys(await admin.keys("rejected.>")), recordsReadAtOnce)) {
    records.push(...(await Promise.all(keys.map(async (key) => ({ key, ...(await admin.value(key)) })))))
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

/** Returns whether a promise resolves within `milliseconds`. Returns `false` if the promise rejects. */
const isOverIn = async (work: Promise<unknown>, milliseconds: number): Promise<boolean> => {
  let late: NodeJS.Timeout | undefined
  const isLate = new Promise<false>((resolve) => (late = setTimeout(() => resolve(false), milliseconds)))
  const isOver = work.then(
    () => true,
    () => false
  )
  return Promise.race([isOver, isLate]).finally(() => clearTimeout(late))
}

/** Returns the programs with a planted mistake, by the role or the name of the process that runs the program. */
const programOf = (mistake: string | undefined): Readonly<Record<string, string>> => {
  if (mistake === undefined) return {}
  return mistake.startsWith("J") ? { judge: loneJudgeProgram } : { worker: mistakenWorker }
}

/** Compares the stored alerts, and the changes of rules in the operation log, with the journal. */
const alertFindings = (
  { users, changes }: Operations,
  journal: ReadonlyArray<CheckedRecord>,
  alerts: ReadonlyArray<CheckedRecord>
): ReadonlyArray<Problem> => {
  const purchases = purchasePlaces(journal).map(({ userId, purchaseId, sequence }) => {
    const contents = users.get(userId)?.purchases.get(purchaseId)?.values() ?? []
    const sentAt = Math.min(...Array.from(contents, (content) => content.sentAt))
    return { userId, purchaseId, sequence, sentAt: Number.isFinite(sentAt) ? sentAt : 0 }
  })
  return [...alertProblems(journal, alerts, 1), ...ruleChangeProblems(journal, changes, purchases)]
}

const sumOf = (counts: ReadonlyMap<unknown, number>): number =>
  [...counts.values()].reduce((sum, count) => sum + count, 0)

const progressOf = (plan: FaultPlan, { injected }: Injector, { now, counts }: RunLog): string => {
  const { ok, fail, info } = counts
  return (
    `${Math.round(now / 1_000)} of ${Math.round(plan.lasts / 1_000)} s, ` +
    `${sumOf(injected)} of ${sumOf(countsOf(plan))} faults, operations ${ok} ok, ${fail} failed, ${info} unknown`
  )
}

/**
 * Waits until all input is applied and judged, and until all alerts for webhooks are delivered. Returns the times until
 * these three ends, in milliseconds. A time is `undefined` if the wait took more than {@link drainWithin}.
 */
const untilDone = async (admin: BrokerAdmin, shopping: Promise<unknown>, webhooks: WebhookOwners, log: RunLog) => {
  const healed = log.now
  const left = () => Math.max(1, healed + drainWithin - log.now)
  const hasDrained =
    (await isOverIn(shopping, drainWithin)) && (await isOverIn(admin.untilApplied(drainWithin), left()))
  const drained = hasDrained ? log.now - healed : undefined
  const hasJudged = await isOverIn(untilJudged(admin, 0, drainWithin), left())
  const judged = hasJudged ? log.now - healed : undefined
  const hasDelivered = await isOverIn(webhooks.untilDelivered(admin, drainWithin), left())
  return { drained, judged, delivered: hasDelivered ? log.now - healed : undefined }
}

/** The final state of the system after a fault run, as the run read it. */
interface Final extends FinalLedger {
  readonly rejected: Awaited<ReturnType<typeof rejectedRecords>>
  readonly journal: ReadonlyArray<CheckedRecord>
  readonly alerts: ReadonlyArray<CheckedRecord>
  /** The attempts to deliver that came before `alerts` was read. */
  readonly attempts: ReadonlyArray<ReceivedAttempt>
}

/** Reads the accounts, starts all processes again, and reads the accounts again and all streams. */
const readFinal = async (
  fleet: Fleet,
  admin: BrokerAdmin,
  { shoppers, receiver }: Clients,
  progress: (text: string) => void
): Promise<Final> => {
  progress("reading all accounts")
  const accounts = await readAccounts(fleet, shoppers.users)
  const rejected = await rejectedRecords(admin)
  progress("starting everything again, and reading all accounts")
  await fleet.restartAll()
  const accountsAfterRestart = await readAccounts(fleet, shoppers.users)
  progress("computing all alerts again")
  const attempts = [...receiver.attempts]
  return { accounts, accountsAfterRestart, rejected, attempts, ...(await readLedger(admin)) }
}

/** Checks all that a fault run read and logged. */
const findingsOf = (
  operations: Operations,
  final: Final,
  { webhooks }: Clients,
  { poisons }: Injector,
  ends: Awaited<ReturnType<typeof untilDone>>
): Findings => {
  const { journal, alerts, rejected, attempts } = final
  const findings = checkInvariants(operations, final, poisons)
  const problems = [
    ...alertFindings(operations, journal, alerts),
    ...ledgerReversalProblems(journal, rejected),
    ...deliveryProblems(webhooks.set, attempts, alerts)
  ]
  for (const problem of problems) findings.addProblem(problem)
  const late = `not within ${drainWithin} ms after the faults`
  if (ends.judged === undefined) findings.add("A8 not judged", late)
  if (ends.drained === undefined) findings.add("I7 not drained", late)
  if (ends.delivered === undefined) findings.add("A9 not delivered", late)
  return findings
}

/**
 * Starts a system of processes, and runs clients against the system while the planned faults happen. At the end of the
 * fault run, checks the invariants.
 */
export const runFaults = async (options: RunOptions): Promise<RunResult> => {
  const { seed, minutes, isCluster, mistake, progress = () => undefined } = options
  const log = new RunLog(options.logPath)
  const fleet = await Fleet.start({
    workers,
    edges,
    judges,
    isCluster,
    note: (text) => log.note(text),
    environment: mistake === undefined ? environment : { ...environment, MISTAKE: mistake },
    programs: { [loneJudge]: loneJudgeProgram, ...programOf(mistake) }
  })
  const admin = await BrokerAdmin.open(fleet.brokerUrls, partitions)
  const plan = planFaults({ seed, minutes, isCluster, hasSmallDisk: fleet.disk instanceof SmallDisk })
  const receiver = await AlertReceiver.start(seed)
  const clients = new Clients(fleet, log, seed, receiver)
  const { shoppers } = clients
  const injector = new Injector(fleet, shoppers, admin, log, duplicateWindow)
  const unexpected: Array<string> = []
  const show = setInterval(() => progress(progressOf(plan, injector, log)), 1_000)
  try {
    const shopping = clients.run()
    await injector.run(plan)
    clients.finish()
    fleet.heal()
    log.note("the faults are over")
    const ends = await untilDone(admin, shopping, clients.webhooks, log)
    shoppers.giveUp()
    await shopping
    clearInterval(show)

    const final = await readFinal(fleet, admin, clients, progress)
    await log.close()
    progress("checking the log")
    const operations = await readOperations(linesOf(options.logPath))
    unexpected.push(...clients.unexpected, ...fleet.endedByThemselves)
    return {
      seed,
      operations,
      planned: countsOf(plan),
      injected: injector.injected,
      skipped: "refused" in fleet.disk ? [`full disk: ${fleet.disk.refused}`] : [],
      findings: findingsOf(operations, final, clients, injector, ends),
      unexpected,
      worstPause: operations.worstPause,
      ...ends,
      attempts: final.attempts.length,
      failedAttempts: final.attempts.filter(({ answer }) => answer?.status !== 204).length,
      alerts: final.alerts.length,
      changes: operations.changes.length,
      refusedCommits: fleet.refusedCommits
    }
  } finally {
    clearInterval(show)
    await admin.close()
    await receiver.stop()
    unexpected.push(...(await fleet.stop()))
  }
}
