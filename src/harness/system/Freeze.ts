import { readdirSync, readFileSync } from "node:fs"

/**
 * Whether every thread of a process stands still, stopped by SIGSTOP. The state of the process as a whole is that of its
 * first thread, beside which others may still run.
 */
export const isFrozen = (pid: number): boolean => {
  const threads = `/proc/${pid}/task`
  return readdirSync(threads).every((thread) => {
    try {
      const stat = readFileSync(`${threads}/${thread}/stat`, "utf8")
      return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T")
    } catch {
      // A thread that ended since it was listed ran a moment ago, as others may.
      return false
    }
  })
}
