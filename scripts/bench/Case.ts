import type { Floor, FloorOptions } from "./Floor.ts"
import type { HttpFloor } from "./HttpFloor.ts"
import type { Spent } from "./ProcessorTime.ts"
import type { Progress } from "./Progress.ts"
import type { RequestFloor } from "./RequestFloor.ts"
import type { System, SystemNeeds } from "./System.ts"

/** One number of one run. */
export interface Measurement {
  readonly name: string
  readonly unit: string
  readonly value: number
  readonly spent?: Spent
}

/** What came of one run. */
export interface Outcome {
  readonly measurements: ReadonlyArray<Measurement>
  /** What was wrong: totals, answers. Empty for a good run. */
  readonly wrong: ReadonlyArray<string>
  /** What else a person wants to know of the run. */
  readonly notes: ReadonlyArray<string>
}

export interface CaseInput {
  /** Counts from 1. Where a case compares, odd runs begin with the floor and even ones with the system. */
  readonly run: number
  readonly progress: Progress
  /** Starts broker, worker and edge on an empty ledger. What a case leaves running ends with its run. */
  readonly startSystem: (needs: SystemNeeds) => Promise<System>
  /** Starts the bare protocol on a broker of its own. */
  readonly startFloor: (options: FloorOptions) => Promise<Floor>
  /** Starts the bare protocol for single requests. */
  readonly startRequestFloor: () => Promise<RequestFloor>
  /** Starts the bare HTTP. */
  readonly startHttpFloor: () => Promise<HttpFloor>
}

/** A part of the benchmark. */
export interface Case {
  readonly name: string
  /** What it measures, in a line. */
  readonly about: string
  /** Whether it runs only when it is named, or with --all. */
  readonly isLong: boolean
  readonly run: (input: CaseInput) => Promise<Outcome>
}
