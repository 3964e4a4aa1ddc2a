import { readdirSync, readFileSync } from "node:fs"

/**
 * Returns whether SIGSTOP has stopped every thread of a process. The kernel gives the state of the first thread as the
 * state of the process, although other threads may still run.
 */
export const isFrozen = (pid: number): boolean => {
  const threads = `/proc/${pid}/task`
  return readdirSync(threads).every((thread) => {
    try {
      const stat = readFileSync(`${threads}/${thread}/stat`, "utf8")
      return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T")
    } catch {
      // If a thread has ended since the threads were listed, this thread ran a moment ago, so the remaining threads may
      // still run.
      return false
    }
  })
}
