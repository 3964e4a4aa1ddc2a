import type { CaseInput } from "./Case.ts"
import type { Stoppable } from "./Ending.ts"
import type { HttpFloorMessage } from "./floor/http.ts"
import { startFloorProcess } from "./FloorProcess.ts"
import { LoadProcess, type Served } from "./LoadProcess.ts"
import { NodeProcess } from "./NodeProcess.ts"

/** Bare Hono behind node's server, which answers what the load expects: no edge can be faster on this machine. */
export class HttpFloor implements Stoppable, Served {
  readonly edgeUrl: string
  private readonly server: NodeProcess
  private readonly spawned: Array<NodeProcess> = []

  private constructor(server: NodeProcess, port: number) {
    this.server = server
    this.edgeUrl = `http://127.0.0.1:${port}`
  }

  static async start(): Promise<HttpFloor> {
    const server = startFloorProcess("http", {})
    const { port } = await server.message<HttpFloorMessage, "listening">("listening")
    return new HttpFloor(server, port)
  }

  get servers() {
    return { server: this.server }
  }

  spawn(name: string, script: string): NodeProcess {
    const process = new NodeProcess({ name: `floor-${name}`, script, environment: {} })
    this.spawned.push(process)
    return process
  }

  /** What its processes printed: nothing, unless something went wrong. */
  said(): Array<string> {
    return [this.server, ...this.spawned].flatMap((process) => process.said())
  }

  async stop(): Promise<void> {
    for (const process of this.spawned) await process.stop()
    await this.server.stop()
  }
}

/** Sends requests to the bare HTTP, which ends with it, and answers what was measured. */
export const loadHttpFloor = async <Figures extends { readonly wrong: ReadonlyArray<string> }>(
  { startHttpFloor, progress }: CaseInput,
  measure: (load: LoadProcess) => Promise<Figures>
): Promise<Figures> => {
  const floor = await startHttpFloor()
  const figures = await measure(new LoadProcess(floor, progress))
  await floor.stop()
  return { ...figures, wrong: figures.wrong.map((problem) => `floor: ${problem}`) }
}
