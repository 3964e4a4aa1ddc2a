import { Duration } from "effect"
import { encodeFeedPlace, type FeedPlace } from "../protocol/FeedPlace.ts"
import { encodeRule } from "../rules/Rule.ts"
import type { StoredRule } from "../rules/RuleSet.ts"
import type { BackTestRun } from "./BackTestRun.ts"

/** The most runs of back-tests that an edge keeps between two requests, and the time for which the edge keeps a run. */
const runsKeptMax = 2
const keptMax = Duration.seconds(30)

/**
 * Names the rule that a run judges by, and the place that the run has reached. Runs with the same key are
 * interchangeable.
 */
export interface RunKey {
  readonly owner: string
  readonly rule: StoredRule
  readonly place: FeedPlace
}

/**
 * Returns the key of a run as a text. The place behind a whole commit and the place at line 0 of the next sequence are
 * equal, so both have the same text.
 */
const textOf = ({ owner, rule: { number, rule }, place }: RunKey): string => {
  const { sequence, line } = Number.isFinite(place.line) ? place : { sequence: place.sequence + 1, line: 0 }
  return JSON.stringify([owner, number, encodeRule(rule), encodeFeedPlace({ sequence, line })])
}

interface Kept {
  readonly run: BackTestRun
  readonly timer: ReturnType<typeof setTimeout>
}

/**
 * Keeps the runs of back-tests between two requests, with the window states of the runs. A request whose run is not
 * kept finds the same alerts, but reads the window states again.
 */
export class KeptRuns {
  private readonly runs = new Map<string, Kept>()

  /** Removes the run with a key, and returns it. Returns `undefined` if no run with the key is kept. */
  take(key: RunKey): BackTestRun | undefined {
    return this.remove(textOf(key))
  }

  /** Keeps the run of a back-test. If more than {@link runsKeptMax} runs are kept, drops the oldest run. */
  keep(key: RunKey, run: BackTestRun): void {
    const text = textOf(key)
    this.remove(text)
    const timer = setTimeout(() => void this.remove(text), Duration.toMillis(keptMax))
    timer.unref()
    this.runs.set(text, { run, timer })
    for (const oldest of this.runs.keys()) {
      if (this.runs.size <= runsKeptMax) return
      this.remove(oldest)
    }
  }

  private remove(text: string): BackTestRun | undefined {
    const found = this.runs.get(text)
    clearTimeout(found?.timer)
    this.runs.delete(text)
    return found?.run
  }
}
