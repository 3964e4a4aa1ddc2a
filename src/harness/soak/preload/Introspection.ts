import { readdirSync } from "node:fs"
import { getHeapStatistics } from "node:v8"
import { beginForgetting, isAllForgotten } from "./Forgetting.ts"

/** The memory and handles that a process holds. */
export interface ProcessFigures {
  /**
   * Resident memory outside of V8's heap. `heapBytes` counts the objects in the heap. V8 may keep or release free pages
   * of the heap, depending on the last load.
   */
  readonly residentBytes: number
  /** The memory of JavaScript's objects after a garbage collection. */
  readonly heapBytes: number
  /** The memory of buffers and other things that JavaScript's objects hold outside of the heap. */
  readonly externalBytes: number
  readonly descriptors: number
  readonly sockets: number
  readonly timers: number
  /** The number of other handles that keep the process alive. */
  readonly otherHandles: number
}

/** Asks for the figures, tells the planted leaks to begin, or asks whether they are complete. */
export interface Inquiry {
  readonly kind: "figures" | "forget" | "isAllForgotten"
}

export interface LeakState {
  /** Whether each planted leak has forgotten all of its things. */
  readonly isAllForgotten: boolean
}

const figures = (): ProcessFigures => {
  if (globalThis.gc === undefined) throw new Error("this needs --expose-gc")
  // The first collection runs finalizers that release further objects. The second collection removes these objects.
  globalThis.gc()
  globalThis.gc()
  const { rss, heapUsed, external } = process.memoryUsage()
  const handles = process.getActiveResourcesInfo()
  const sockets = handles.filter((kind) => kind.endsWith("SocketWrap") || kind === "PipeWrap").length
  const timers = handles.filter((kind) => kind === "Timeout" || kind === "Immediate").length
  return {
    residentBytes: rss - getHeapStatistics().total_physical_size,
    heapBytes: heapUsed,
    externalBytes: external,
    descriptors: readdirSync("/dev/fd").length,
    sockets,
    timers,
    otherHandles: handles.length - sockets - timers
  }
}

const answer = ({ kind }: Inquiry): ProcessFigures | LeakState => {
  if (kind === "figures") return figures()
  if (kind === "forget") beginForgetting()
  return { isAllForgotten: isAllForgotten() }
}

// This module is imported before the program of a worker or an edge, which knows nothing of it.
process.on("message", (inquiry: Inquiry) => process.send?.(answer(inquiry)))
process.channel?.unref()
