import { once } from "node:events"
import { Worker } from "node:worker_threads"

/** The seeds of one thread: every `step`th seed from `first` on, below `end`. */
export interface Share {
  readonly first: number
  readonly end: number
  readonly step: number
}

/** The result of a thread. */
export interface ShareResult {
  readonly failures: ReadonlyArray<{ readonly seed: number; readonly problems: ReadonlyArray<string> }>
  readonly acknowledged: number
  /** The processor time of the thread without the time of its start, in milliseconds. */
  readonly processorMilliseconds: number
}

const runShare = async (share: Share): Promise<ShareResult> => {
  const thread = new Worker(new URL("./SeedThread.ts", import.meta.url), {
    workerData: share,
    execArgv: [],
    // A run makes many objects that soon become garbage. With a larger young generation, collecting these objects takes
    // less time.
    resourceLimits: { maxYoungGenerationSizeMb: 96 }
  })
  const [result] = (await once(thread, "message")) as [ShareResult]
  return result
}

/** Runs `count` seeds from `first` on, in a number of threads. Returns the seeds that fail. */
export const runSeeds = async (first: number, count: number, threads: number): Promise<ShareResult> => {
  const shares = Array.from({ length: threads }, (_, thread) =>
    runShare({ first: first + thread, end: first + count, step: threads })
  )
  const results = await Promise.all(shares)
  return {
    failures: results.flatMap(({ failures }) => failures).sort((one, other) => one.seed - other.seed),
    acknowledged: results.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
    processorMilliseconds: results.reduce((sum, result) => sum + result.processorMilliseconds, 0)
  }
}
