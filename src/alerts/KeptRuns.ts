import { Duration } from "effect"
import { encodeFeedPlace, type FeedPlace } from "../protocol/FeedPlace.ts"
import { encodeRule } from "../rules/Rule.ts"
import type { StoredRule } from "../rules/RuleSet.ts"
import type { BackTestRun } from "./BackTestRun.ts"

/** The most runs that an edge keeps between two requests of a back-test, and how long it keeps one. */
const runsKeptMax = 2
const keptMax = Duration.seconds(30)

/** Names what a run judges, and how far it is. Runs with one key are interchangeable. */
export interface RunKey {
  readonly owner: string
  readonly rule: StoredRule
  readonly place: FeedPlace
}

/** Returns the text of a key. Behind a whole commit comes line 0 of the next sequence, so both have one text. */
const textOf = ({ owner, rule: { number, rule }, place }: RunKey): string => {
  const { sequence, line } = Number.isFinite(place.line) ? place : { sequence: place.sequence + 1, line: 0 }
  return JSON.stringify([owner, number, encodeRule(rule), encodeFeedPlace({ sequence, line })])
}

interface Kept {
  readonly run: BackTestRun
  readonly timer: ReturnType<typeof setTimeout>
}

/**
 * Keeps runs between the requests of a back-test, with their window states. A request whose run is not kept gives the
 * same alerts, and reads the states again.
 */
export class KeptRuns {
  private readonly runs = new Map<string, Kept>()

  /** Takes the run out that is at a place; `undefined` if it is not kept. */
  take(key: RunKey): BackTestRun | undefined {
    return this.remove(textOf(key))
  }

  /** Keeps a run, and drops the oldest if there are too many. */
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
