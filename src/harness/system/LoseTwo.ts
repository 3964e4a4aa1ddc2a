import { setTimeout as pause } from "node:timers/promises"
import { inputStream, journalStream } from "../../protocol/Subject.ts"
import type { Installation } from "./Installation.ts"
import { type TestBroker, until } from "./TestBroker.ts"

/**
 * The time for which two brokers are gone, in milliseconds. In this time many writes begin to wait at the third broker.
 */
const goneMilliseconds = 15_000
/**
 * The longest time from the restart of both brokers until all callers get answers and all input is applied, in
 * milliseconds.
 */
export const appliedWithinMilliseconds = 60_000
const restartedWithinMilliseconds = 120_000
const leaderWithinMilliseconds = 60_000
/** The number of loops that send purchases without a pause. */
const lanes = 32
const acknowledgedBefore = 2_000
const loadWithinMilliseconds = 180_000

/** The result of one round, in which two of three brokers were killed at once. */
export interface LoseTwoRound {
  /** The stream whose leader was the remaining broker. */
  readonly led: string
  /** The number of purchases that were acknowledged per second before the two brokers were killed. */
  readonly perSecond: number
  /**
   * The time from the start of both brokers until all input was applied, in milliseconds; `undefined` if this time was
   * too long.
   */
  readonly appliedAfter: number | undefined
  /** The problems that the edges reported; an empty list if all input was applied in time. */
  readonly troubles: ReadonlyArray<string>
  /**
   * The time from a restart of the remaining broker until all input was applied, in milliseconds. The time is
   * `undefined` if the restart was not needed or did not help.
   */
  readonly restartedAfter: number | undefined
}

/**
 * Returns whether a round is good. In a good round, all input was applied in time, or the edges reported a problem and
 * a restart of the remaining broker helped.
 */
export const isRoundGood = ({ appliedAfter, troubles, restartedAfter }: LoseTwoRound): boolean =>
  appliedAfter !== undefined || (troubles.length > 0 && restartedAfter !== undefined)

/**
 * Waits until all callers get answers again and all input is applied. Returns the length of the wait in milliseconds;
 * `undefined` if the wait was too long.
 */
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

/** Waits until the load has run for a while. Returns the number of purchases that are acknowledged per second. */
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
 * Kills two of three brokers at once under load, again and again, until a round is not good. The remaining broker leads
 * the input log or the journal. The writes of this leader may stay stuck after the other brokers are back, although its
 * replicas count as current. The issue https://github.com/nats-io/nats-server/issues/8519 describes these stuck writes.
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
