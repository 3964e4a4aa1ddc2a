import type { Spent } from "./ProcessorTime.ts"
import type { Progress } from "./Progress.ts"
import type { System } from "./System.ts"

/** One number of one run. */
export interface Measurement {
  readonly name: string
  readonly unit: string
  readonly value: number
  readonly spent?: Spent
}

interface Outcome {
  readonly measurements: ReadonlyArray<Measurement>
  /** What was wrong: totals, answers. Empty for a good run. */
  readonly wrong: ReadonlyArray<string>
  /** What else a person wants to know of the run. */
  readonly notes: ReadonlyArray<string>
}

interface CaseInput {
  readonly system: System
  readonly progress: Progress
  /** How many purchases the case that can be scaled sends. */
  readonly purchases: number
}

/** A part of the benchmark. Each run of it gets a system of its own. */
export interface Case {
  readonly name: string
  /** The names of what it measures. */
  readonly measures: ReadonlyArray<string>
  /** Whether it goes through the HTTP edge. */
  readonly usesEdge: boolean
  readonly run: (input: CaseInput) => Promise<Outcome>
}
