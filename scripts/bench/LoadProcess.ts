import { fileURLToPath } from "node:url"
import type { LoadMessage, LoadOrder, LoadResult } from "./load.ts"
import { countProcessorTime, type Spent } from "./ProcessorTime.ts"
import type { Progress } from "./Progress.ts"
import type { NodeProcess } from "./NodeProcess.ts"

/** The server to which a load sends its requests. */
export interface Served {
  readonly edgeUrl: string
  /** The token of the load; `undefined` for a server that asks for no tokens. */
  readonly token?: string
  /** The processes that spend time on requests, by their names. */
  readonly servers: Readonly<Record<string, { readonly pid: number }>>
  /** Starts a further process, which is stopped when the load ends. */
  readonly spawn: (name: string, script: string) => NodeProcess
}

interface Loaded extends LoadResult {
  /**
   * The processor time of one post, or of one read if no posts were sent. The processor time includes the time of the
   * process that sends the load.
   */
  readonly spent: Spent
  /** The mistakes in the answers to the requests of the load. */
  readonly wrong: ReadonlyArray<string>
}

/** The process that sends the requests of a load. */
export class LoadProcess {
  private readonly served: Served
  private readonly process: NodeProcess
  private readonly progress: Progress

  constructor(served: Served, progress: Progress) {
    this.served = served
    this.progress = progress
    this.process = served.spawn("load", fileURLToPath(new URL("load.ts", import.meta.url)))
  }

  async run(order: Omit<LoadOrder, "edgeUrl" | "token">): Promise<Loaded> {
    const { servers, edgeUrl, token } = this.served
    const prepared = this.process.message<LoadMessage, "prepared">("prepared")
    this.process.send({ edgeUrl, token, ...order } satisfies LoadOrder)
    await prepared
    const done = this.process.message<LoadMessage, "done">("done", (message) => {
      if (message.kind === "progress") this.progress.show(`answered ${message.answered.toLocaleString("en")}`)
    })
    const spentSince = countProcessorTime({ load: this.process, ...servers })
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
