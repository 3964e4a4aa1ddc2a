import { fileURLToPath } from "node:url"
import type { LoadMessage, LoadOrder, LoadResult } from "./load.ts"
import { countProcessorTime, type Spent } from "./ProcessorTime.ts"
import type { Progress } from "./Progress.ts"
import type { NodeProcess } from "./NodeProcess.ts"
import type { System } from "./System.ts"

interface Loaded extends LoadResult {
  /** What one post cost, or one read where nothing was posted, the load's own time included. */
  readonly spent: Spent
  /** What was wrong with answers. */
  readonly wrong: ReadonlyArray<string>
}

/** The process that sends requests to a system's edge. */
export class LoadProcess {
  private readonly system: System
  private readonly process: NodeProcess
  private readonly progress: Progress

  constructor(system: System, progress: Progress) {
    this.system = system
    this.progress = progress
    const script = fileURLToPath(new URL("load.ts", import.meta.url))
    this.process = system.spawn({ name: "load", script, environment: {}, isProfiled: false })
  }

  async run(order: Omit<LoadOrder, "edgeUrl">): Promise<Loaded> {
    const { edge, worker, broker, edgeUrl } = this.system
    const prepared = this.process.message<LoadMessage, "prepared">("prepared")
    this.process.send({ edgeUrl, ...order } satisfies LoadOrder)
    await prepared
    const done = this.process.message<LoadMessage, "done">("done", (message) => {
      if (message.kind === "progress") this.progress.show(`answered ${message.answered.toLocaleString("en")}`)
    })
    const spentSince = countProcessorTime({ load: this.process, edge, worker, broker })
    this.process.send({})
    const result = await done
    const posts = order.posts === undefined ? 0 : order.posts.to - order.posts.from
    const { failures, failuresCount } = result
    return {
      ...result,
      spent: spentSince(posts > 0 ? posts : (order.reads?.count ?? 0)),
      wrong: failuresCount === 0 ? [] : [`${failuresCount} requests failed, for instance`, ...failures]
    }
  }
}
