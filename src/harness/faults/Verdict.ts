import { type FaultKind, faultKinds } from "./FaultPlan.ts"
import { breakNames } from "../Invariant.ts"
import type { Findings } from "./Findings.ts"

/** The result of a fault run. */
export interface RunResult {
  readonly seed: number
  readonly operations: { readonly ok: number; readonly failed: number; readonly unknown: number }
  readonly planned: ReadonlyMap<FaultKind, number>
  readonly injected: ReadonlyMap<FaultKind, number>
  /** The faults that this machine does not allow, each with the reason. */
  readonly skipped: ReadonlyArray<string>
  readonly findings: Findings
  /** The answers, and the ends of processes, that no planned fault explains. */
  readonly unexpected: ReadonlyArray<string>
  /** The longest time in which no purchase was acknowledged, in milliseconds. */
  readonly worstPause: number
  /**
   * The time from the end of the faults until all input was applied, in milliseconds; `undefined` if the input was not
   * applied in time.
   */
  readonly drained: number | undefined
  /**
   * The time from the end of the faults until the whole journal was judged, in milliseconds; `undefined` if the journal
   * was not judged in time.
   */
  readonly judged: number | undefined
  /**
   * The time from the end of the faults until all alerts for webhooks were delivered, were dead letters, or waited
   * behind a pause, in milliseconds; `undefined` if that took too long.
   */
  readonly delivered: number | undefined
  /** The number of attempts to deliver alerts that the receiver of the webhooks got. */
  readonly attempts: number
  /** The number of these attempts that the receiver did not answer with a success. */
  readonly failedAttempts: number
  /** The number of messages in the stream of alerts, and the number of changes of rules that clients sent. */
  readonly alerts: number
  readonly changes: number
  /** The number of commits that the broker refused because the chain had a newer commit than expected. */
  readonly refusedCommits: number
}

/** The least share of requests that have to succeed. Below this share, a fault run has not tested much. */
const okShareMin = 0.5
/**
 * The least share of the planned faults of a kind that have to happen. Some planned faults do not happen. For example,
 * a worker that should die at its 18th commit may lose its partitions before that commit.
 */
const happenedShareMin = 0.9

/** Returns the reasons why a fault run proves nothing, even if it found no mistake. */
export const invalidOf = ({ operations, planned, injected, attempts }: RunResult): ReadonlyArray<string> => {
  const { ok, failed, unknown } = operations
  const reasons: Array<string> = []
  if (ok < (ok + failed + unknown) * okShareMin || ok === 0) reasons.push("less than half of the operations were ok")
  if (attempts === 0) reasons.push("no alert was delivered to a webhook")
  for (const [kind, count] of planned) {
    const happened = injected.get(kind) ?? 0
    if (happened < count * happenedShareMin) reasons.push(`${kind}: ${happened} of ${count} planned`)
  }
  return reasons
}

/** Returns whether a fault run has tested enough, and found no problem. */
export const isAsPromised = (result: RunResult): boolean =>
  invalidOf(result).length === 0 && result.findings.isEmpty && result.unexpected.length === 0

const seconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(1)} s`

const row = (name: string, value: number | string): string => `  ${name.padEnd(30)}${String(value).padStart(10)}`

/** Returns the report that is printed at the end of a fault run. */
export const describeResult = (result: RunResult): string => {
  const { operations, planned, injected, findings, drained } = result
  const invalid = invalidOf(result)
  const verdict =
    invalid.length > 0
      ? `INVALID, this run proves nothing: ${invalid.join("; ")}`
      : isAsPromised(result)
        ? "All is as promised."
        : "BROKEN: see above."
  return [
    "operations",
    row("ok", operations.ok),
    row("failed", operations.failed),
    row("unknown", operations.unknown),
    "faults, of those planned",
    ...faultKinds
      .filter((kind) => planned.has(kind))
      .map((kind) => row(kind, `${injected.get(kind) ?? 0}/${planned.get(kind)}`)),
    ...result.skipped.map((reason) => `  skipped: ${reason}`),
    "found",
    ...breakNames.map((name) => row(name, findings.count(name))),
    row("worst time without progress", seconds(result.worstPause)),
    row("drained after the faults", drained === undefined ? "never" : seconds(drained)),
    row("judged after the faults", result.judged === undefined ? "never" : seconds(result.judged)),
    row("delivered after the faults", result.delivered === undefined ? "never" : seconds(result.delivered)),
    row("attempts to deliver", result.attempts),
    row("failed attempts to deliver", result.failedAttempts),
    row("alerts and positions", result.alerts),
    row("changes of rules sent", result.changes),
    row("commits refused by the broker", result.refusedCommits),
    ...findings.examples,
    ...result.unexpected.map((what) => `unexpected: ${what}`),
    `${verdict} Seed ${result.seed} repeats the plan.`
  ].join("\n")
}
