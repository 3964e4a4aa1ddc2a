import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

/** The workers of a system. */
export interface Workers {
  /** Kills all workers with -9, and returns their names when they are gone. */
  readonly kill: () => Promise<ReadonlyArray<string>>
  /** Starts `count` workers of start.sh. */
  readonly start: (count: number) => Promise<void>
}

const script = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url))

/** The workers that start.sh started under the settings of this process. */
export const startedWorkers: Workers = {
  kill: async () => {
    const { stdout } = await promisify(execFile)(script("scripts/stop.sh"), ["--kill", "worker"])
    const killed = stdout.match(/^worker-\d+(?=: killed)/gm)
    if (killed === null) throw new Error("there is no worker that runs; start.sh starts one")
    return killed
  },
  start: async (count) => {
    const start = spawn(script("start.sh"), ["--workers", String(count)], { stdio: "inherit" })
    const [code] = (await once(start, "exit")) as [number | null]
    if (code !== 0) throw new Error("start.sh failed")
  }
}
