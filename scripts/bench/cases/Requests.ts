import { fileURLToPath } from "node:url"
import type { Case } from "../Case.ts"
import type { LoadMessage, LoadOrder } from "../load.ts"
import { countProcessorTime } from "../ProcessorTime.ts"
import { totalsOfWorkload, wrongTotals } from "../Totals.ts"

const postsPerSecond = 1_000
const readsPerSecond = 200
const warmUpSeconds = 3
const measuredSeconds = 10
const workload = { purchases: postsPerSecond * (warmUpSeconds + measuredSeconds), users: 1_000, repeatEvery: 0 }

/**
 * Purchases over HTTP at a fixed rate, each answered when it is applied, and strong reads of totals meanwhile. What a
 * purchase costs includes the reads.
 */
export const requests: Case = {
  name: "requests",
  measures: ["post-wait", "read-total"],
  usesEdge: true,
  run: async ({ system, progress }) => {
    const script = fileURLToPath(new URL("../load.ts", import.meta.url))
    const load = system.spawn({ name: "load", script, isProfiled: false })
    const order: LoadOrder = { edgeUrl: system.edgeUrl, workload, postsPerSecond, readsPerSecond, warmUpSeconds }
    const done = load.message<LoadMessage, "done">("done", (message) => {
      if (message.kind === "progress") progress.show(`posted ${message.posted.toLocaleString("en")}`)
    })
    const spentSince = countProcessorTime({
      edge: system.edge.pid,
      worker: system.worker.pid,
      broker: system.broker.pid
    })
    load.send(order)
    const { posts, reads, readsSent, resent, failures, failuresCount } = await done
    const spent = spentSince(workload.purchases)

    progress.show("reading every total")
    const wrong = await wrongTotals(system.edgeUrl, totalsOfWorkload(workload))
    if (failuresCount > 0) {
      wrong.push(`${failuresCount} of ${workload.purchases + readsSent} requests failed, for instance`, ...failures)
    }
    return {
      measurements: [
        { name: "post-wait p50", unit: "ms", value: posts.p50, spent },
        { name: "post-wait p99", unit: "ms", value: posts.p99 },
        { name: "read-total p50", unit: "ms", value: reads.p50 },
        { name: "read-total p99", unit: "ms", value: reads.p99 }
      ],
      wrong,
      notes: [
        `the slowest post took ${posts.max.toFixed(1)} ms, the slowest read ${reads.max.toFixed(1)} ms; ` +
          `${resent} requests met a connection that the edge was closing, and were sent again`
      ]
    }
  }
}
