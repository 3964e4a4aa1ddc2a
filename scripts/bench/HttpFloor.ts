import type { CaseInput } from "./Case.ts"
import type { Stoppable } from "./Ending.ts"
import type { HttpFloorMessage } from "./floor/http.ts"
import { FloorProcesses } from "./FloorProcesses.ts"
import { LoadProcess, type Served } from "./LoadProcess.ts"
import type { NodeProcess } from "./NodeProcess.ts"

/**
 * The floor of HTTP: Hono behind node's server, with the answers that the load expects, and no other work. No edge can
 * be faster on this machine.
 */
export class HttpFloor implements Stoppable, Served {
  readonly edgeUrl: string
  readonly servers: Served["servers"]
  private readonly processes: FloorProcesses

  private constructor(processes: FloorProcesses, server: NodeProcess, port: number) {
    this.processes = processes
    this.servers = { server }
    this.edgeUrl = `http://127.0.0.1:${port}`
  }

  static async start(): Promise<HttpFloor> {
    const processes = new FloorProcesses()
    const server = processes.start("http", {})
    const { port } = await server.message<HttpFloorMessage, "listening">("listening")
    return new HttpFloor(processes, server, port)
  }

  spawn(name: string, script: string): NodeProcess {
    return this.processes.spawn(name, script)
  }

  said(): Array<string> {
    return this.processes.said()
  }

  stop(): Promise<void> {
    return this.processes.stop()
  }
}

/** Sends requests to the floor of HTTP, ends the floor, and returns the measurements. */
export const loadHttpFloor = async <Figures extends { readonly wrong: ReadonlyArray<string> }>(
  { startHttpFloor, progress }: CaseInput,
  measure: (load: LoadProcess) => Promise<Figures>
): Promise<Figures> => {
  const floor = await startHttpFloor()
  const figures = await measure(new LoadProcess(floor, progress))
  await floor.stop()
  return { ...figures, wrong: figures.wrong.map((problem) => `floor: ${problem}`) }
}
