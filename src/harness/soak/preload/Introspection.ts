import { readdirSync } from "node:fs"
import { getHeapStatistics } from "node:v8"
import { beginForgetting, isAllForgotten } from "./Forgetting.ts"

/** The memory and handles that a process holds. */
export interface ProcessFigures {
  /**
   * The resident memory outside of V8's heap, whose objects `heapBytes` counts. The whole resident memory would also
   * depend on the last load, because V8 may keep or release free pages of its heap.
   */
  readonly residentBytes: number
  /** The memory of JavaScript's objects after a garbage collection. */
  readonly heapBytes: number
  /** The memory of buffers and other things that JavaScript's objects hold outside of the heap. */
  readonly externalBytes: number
  readonly descriptors: number
  readonly sockets: number
  readonly timers: number
  /** The number of handles that keep the process alive, without its sockets and timers. */
  readonly otherHandles: number
}

/**
 * A message to a process that asks for its figures, tells its planted leaks to begin, or asks whether its planted leaks
 * are complete.
 */
export interface Inquiry {
  readonly kind: "figures" | "forget" | "isAllForgotten"
}

export interface LeakState {
  /** Whether each planted leak of the process has forgotten to release as many things as `thingsForgotten` says. */
  readonly isAllForgotten: boolean
}

const figures = (): ProcessFigures => {
  if (globalThis.gc === undefined) throw new Error("this needs --expose-gc")
  // The first garbage collection runs finalizers that release further objects. The second garbage collection removes
  // the objects that finalizers have released.
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

// A soak imports this module before the program of a worker or an edge. The program of the worker or edge does not know
// this module.
process.on("message", (inquiry: Inquiry) => process.send?.(answer(inquiry)))
process.channel?.unref()
