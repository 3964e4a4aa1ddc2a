import { parentPort, workerData } from "node:worker_threads"
import { planOf } from "./Plan.ts"
import type { Share, ShareResult } from "./Seeds.ts"
import { simulate } from "./Simulation.ts"

const { first, end, step } = workerData as Share
const failures: Array<ShareResult["failures"][number]> = []
let acknowledged = 0
// A run makes many errors whose stack traces nobody reads, so stack traces would only take time.
Error.stackTraceLimit = 0
const before = process.threadCpuUsage()
for (let seed = first; seed < end; seed += step) {
  const outcome = simulate(planOf(seed))
  acknowledged += outcome.acknowledged
  if (outcome.problems.length > 0) failures.push({ seed, problems: outcome.problems })
}
const used = process.threadCpuUsage(before)
const result: ShareResult = { failures, acknowledged, processorMilliseconds: (used.user + used.system) / 1_000 }
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window's
parentPort?.postMessage(result)
