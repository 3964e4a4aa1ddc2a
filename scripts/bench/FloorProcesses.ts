import { fileURLToPath } from "node:url"
import type { Stoppable } from "./Ending.ts"
import { NodeProcess } from "./NodeProcess.ts"

/** The processes of a floor. */
export class FloorProcesses implements Stoppable {
  private readonly started: Array<NodeProcess> = []

  /** Starts a program of the floor, by the name of its file. */
  start(name: string, environment: Readonly<Record<string, string>>): NodeProcess {
    return this.spawn(name, fileURLToPath(new URL(`floor/${name}.ts`, import.meta.url)), environment)
  }

  spawn(name: string, script: string, environment: Readonly<Record<string, string>> = {}): NodeProcess {
    const process = new NodeProcess({ name: `floor-${name}`, script, environment })
    this.started.push(process)
    return process
  }

  /** Returns the lines that the processes of the floor printed. The processes print only failures. */
  said(): Array<string> {
    return this.started.flatMap((process) => process.said())
  }

  /** Ends the processes of the floor. The process that started last ends first. */
  async stop(): Promise<void> {
    for (const process of this.started.toReversed()) await process.stop()
  }
}
