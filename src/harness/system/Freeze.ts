import { readdirSync, readFileSync } from "node:fs"

/**
 * Returns whether SIGSTOP has stopped every thread of a process. The state of the process is the state of its first
 * thread, and other threads may still run.
 */
export const isFrozen = (pid: number): boolean => {
  const threads = `/proc/${pid}/task`
  return readdirSync(threads).every((thread) => {
    try {
      const stat = readFileSync(`${threads}/${thread}/stat`, "utf8")
      return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T")
    } catch {
      // The thread ended after it was listed, so it ran a moment ago. Other threads may run too.
      return false
    }
  })
}
