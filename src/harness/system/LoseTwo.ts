import { setTimeout as pause } from "node:timers/promises"
import { inputStream, journalStream } from "../../protocol/Subject.ts"
import type { Installation } from "./Installation.ts"
import { type TestBroker, until } from "./TestBroker.ts"

/** How long two brokers are gone: long enough for many writes to wait at the one that is left. */
const goneMilliseconds = 15_000
/** Within so long after both are started, all callers go on and all that was stored is applied. */
export const appliedWithinMilliseconds = 60_000
const restartedWithinMilliseconds = 120_000
const leaderWithinMilliseconds = 60_000
/** Lanes that sell without rest, and how many purchases of them are acknowledged before each loss. */
const lanes = 32
const acknowledgedBefore = 2_000
const loadWithinMilliseconds = 180_000

/** What became of one loss of two brokers. */
export interface LoseTwoRound {
  /** The stream whose leader was left. */
  readonly led: string
  /** How many purchases of the load were acknowledged in each second before. */
  readonly perSecond: number
  /** How long it took after both were started until all was applied; `undefined` if it was not in time. */
  readonly appliedAfter: number | undefined
  /** What the edges said at the end of that time, if it was not in time. */
  readonly troubles: ReadonlyArray<string>
  /** How long it took after the survivor was started again; `undefined` if that was not needed, or did not help. */
  readonly restartedAfter: number | undefined
}

/** Whether a round was as promised: in time, or the edges said that it was not and a restart of the survivor helped. */
export const isRoundGood = ({ appliedAfter, troubles, restartedAfter }: LoseTwoRound): boolean =>
  appliedAfter !== undefined || (troubles.length > 0 && restartedAfter !== undefined)

/** Returns how long it takes until all callers go on and all is applied; `undefined` if it is not in time. */
const timeUntilApplied = async (installation: Installation, within: number): Promise<number | undefined> => {
  const at = performance.now()
  const left = () => Math.max(1, at + within - performance.now())
  try {
    await until("the callers go on", () => installation.traffic.hasPassed(at), left())
    await installation.untilApplied(left())
    return performance.now() - at
  } catch {
    return undefined
  }
}

const leaderOf = async ({ cluster }: Installation, led: string): Promise<TestBroker> => {
  let leader: TestBroker | undefined
  const isThere = async () => (leader = await cluster.leaderOf(led)) !== undefined
  await until(`${led} has a leader`, isThere, leaderWithinMilliseconds)
  if (leader === undefined) throw new Error(`nobody leads ${led}`)
  return leader
}

/** Waits until the load has written for a while, and returns how many of its purchases were acknowledged a second. */
const untilLoaded = async ({ pressure }: Installation): Promise<number> => {
  const acknowledged = () => pressure?.log.acknowledged ?? 0
  const [at, before] = [performance.now(), acknowledged()]
  const isLoaded = () => acknowledged() >= before + acknowledgedBefore
  await until(`${acknowledgedBefore} more are acknowledged`, isLoaded, loadWithinMilliseconds)
  return (acknowledged() - before) / ((performance.now() - at) / 1_000)
}

const round = async (installation: Installation, led: string): Promise<LoseTwoRound> => {
  const { cluster } = installation
  const perSecond = await untilLoaded(installation)
  const kept = await leaderOf(installation, led)
  const lost = cluster.brokers.filter((broker) => broker !== kept)
  await Promise.all(lost.map((broker) => broker.kill()))
  await pause(goneMilliseconds)
  for (const broker of lost) broker.launch()
  const appliedAfter = await timeUntilApplied(installation, appliedWithinMilliseconds)
  const troubles = appliedAfter === undefined ? await installation.troubles() : []
  let restartedAfter: number | undefined
  if (appliedAfter === undefined) {
    await kept.kill()
    kept.launch()
    restartedAfter = await timeUntilApplied(installation, restartedWithinMilliseconds)
  }
  await cluster.untilWhole()
  return { led, perSecond, appliedAfter, troubles, restartedAfter }
}

/**
 * Kills two of three brokers at once under load, until a round is not as promised, with the leader of the input log or of the journal as the one
 * that is left. Writes of such a stream may stay stuck after the two are back, while its replicas count as current: see
 * https://github.com/nats-io/nats-server/issues/8519.
 */
export const loseTwo = async (
  installation: Installation,
  rounds: number,
  report: (result: LoseTwoRound) => void
): Promise<ReadonlyArray<LoseTwoRound>> => {
  installation.press(lanes)
  const results: Array<LoseTwoRound> = []
  for (let number = 0; number < rounds; number += 1) {
    const result = await round(installation, number % 2 === 0 ? journalStream : inputStream)
    results.push(result)
    report(result)
    if (!isRoundGood(result)) break
  }
  return results
}
