import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

/** All workers or all judges of a system. */
export interface Processes {
  /** Kills all processes of the role with SIGKILL, and returns their names when they have ended. */
  readonly kill: () => Promise<ReadonlyArray<string>>
  /** Starts `count` workers or judges. */
  readonly start: (count: number) => Promise<void>
}

const script = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url))

/** Returns the workers or judges that start.sh started under the settings of this process. */
export const startedProcesses = (role: "worker" | "judge"): Processes => ({
  kill: async () => {
    const { stdout } = await promisify(execFile)(script("scripts/stop.sh"), ["--kill", role])
    const killed = Array.from(stdout.matchAll(/^(\w+-\d+): killed/gm), ([, name = ""]) => name)
    if (killed.length === 0) throw new Error(`there is no ${role} that runs; start.sh starts one`)
    return killed
  },
  start: async (count) => {
    const start = spawn(script("start.sh"), [`--${role}s`, String(count)], { stdio: "inherit" })
    const [code] = (await once(start, "exit")) as [number | null]
    if (code !== 0) throw new Error("start.sh failed")
  }
})
