import type { Floor, FloorOptions } from "./Floor.ts"
import type { HttpFloor } from "./HttpFloor.ts"
import type { Spent } from "./ProcessorTime.ts"
import type { Progress } from "./Progress.ts"
import type { RequestFloor } from "./RequestFloor.ts"
import type { System, SystemNeeds } from "./System.ts"

/** One number that was measured in one run of a case. */
export interface Measurement {
  readonly name: string
  readonly unit: string
  readonly value: number
  readonly spent?: Spent
}

/** The result of one run of a case. */
export interface Outcome {
  readonly measurements: ReadonlyArray<Measurement>
  /** The wrong totals and the wrong answers that the run found; an empty list for a good run. */
  readonly wrong: ReadonlyArray<string>
  /** Further lines about the run that the benchmark prints. */
  readonly notes: ReadonlyArray<string>
}

export interface CaseInput {
  /**
   * The number of the run, from 1. In a comparison, odd runs begin with the floor, and even runs begin with the system.
   */
  readonly run: number
  readonly progress: Progress
  /** Starts broker, worker and edge on an empty ledger. The started processes end with the run. */
  readonly startSystem: (needs: SystemNeeds) => Promise<System>
  /** Starts the floor of purchases: the bare protocol, on its own broker. */
  readonly startFloor: (options: FloorOptions) => Promise<Floor>
  /** Starts the floor of single requests: the bare protocol behind HTTP. */
  readonly startRequestFloor: () => Promise<RequestFloor>
  /** Starts the floor of HTTP: a server that answers without any work. */
  readonly startHttpFloor: () => Promise<HttpFloor>
}

/** A case of the benchmark: one measurement, which can be run alone. */
export interface Case {
  readonly name: string
  /** One line about the measurement of the case. */
  readonly about: string
  /** Whether the case runs only when it is named, or with --all. */
  readonly isLong: boolean
  readonly run: (input: CaseInput) => Promise<Outcome>
}
