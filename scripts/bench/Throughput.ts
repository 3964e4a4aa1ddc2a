import { type Applying, untilApplied } from "./Applied.ts"
import type { NodeProcess } from "./NodeProcess.ts"
import { countProcessorTime, type Spent } from "./ProcessorTime.ts"
import type { Progress } from "./Progress.ts"
import type { PublishOrder } from "./PublishOrder.ts"
import type { PublisherMessage } from "./publisher.ts"
import type { System } from "./System.ts"
import type { Workload } from "./Workload.ts"

/** The publisher, the broker and the workers, either of the system or of the floor. */
interface Line extends Applying {
  readonly publisher: NodeProcess
}

export interface Throughput {
  readonly perSecond: number
  readonly publishedMilliseconds: number
  readonly appliedMilliseconds: number
  readonly spent: Spent
}

/** Returns the workers by their names. */
const named = (workers: Line["workers"]): Readonly<Record<string, { readonly pid: number }>> =>
  Object.fromEntries(workers.map((worker, index) => [index === 0 ? "worker" : `worker ${index + 1}`, worker]))

/** Publishes a part of a workload, and measures the time until all of these purchases are committed. */
export const throughput = async (line: Line, order: PublishOrder, progress: Progress): Promise<Throughput> => {
  const { publisher, workers, broker } = line
  const published = publisher.message<PublisherMessage, "published">("published", (message) => {
    if (message.kind === "progress") progress.show(`published ${message.published.toLocaleString("en")}`)
  })
  const spentSince = countProcessorTime({ publisher, ...named(workers), broker })
  const began = performance.now()
  publisher.send(order)
  await published
  const publishedMilliseconds = performance.now() - began
  await untilApplied(line)
  const appliedMilliseconds = performance.now() - began
  const purchases = order.to - order.from
  return {
    perSecond: purchases / (appliedMilliseconds / 1_000),
    publishedMilliseconds,
    appliedMilliseconds,
    spent: spentSince(purchases)
  }
}

/** Fills a ledger with a whole workload, before a measurement. */
export const fill = async (system: System, workload: Workload, progress: Progress): Promise<void> => {
  const { workers, broker, partitions } = system
  const publisher = await system.startPublisher()
  await throughput({ publisher, workers, broker, partitions }, { workload, from: 0, to: workload.purchases }, progress)
  await publisher.stop()
}
