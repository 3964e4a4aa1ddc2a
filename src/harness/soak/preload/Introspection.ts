import { readdirSync } from "node:fs"
import { getHeapStatistics } from "node:v8"
import { beginForgetting, isAllForgotten } from "./Forgetting.ts"

/** The memory and handles that a process holds. */
export interface ProcessFigures {
  /**
   * Resident memory outside of V8's heap. V8 gives the pages of its young generation back or keeps them, as the load of
   * a moment was; `heapBytes` counts the objects in it.
   */
  readonly residentBytes: number
  /** Of JavaScript's objects, after everything that nobody needs was collected. */
  readonly heapBytes: number
  /** Of buffers and whatever else JavaScript's objects hold outside of that heap. */
  readonly externalBytes: number
  readonly descriptors: number
  readonly sockets: number
  readonly timers: number
  /** Whatever else keeps the process alive. */
  readonly otherHandles: number
}

/** Asks for the figures, tells the planted leaks to begin, or asks whether they are complete. */
export interface Inquiry {
  readonly kind: "figures" | "forget" | "isAllForgotten"
}

export interface LeakState {
  /** Whether each planted leak has forgotten all that it is to forget. */
  readonly isAllForgotten: boolean
}

const figures = (): ProcessFigures => {
  if (globalThis.gc === undefined) throw new Error("this needs --expose-gc")
  // What the first collection sets free by its finalizers, the second one takes.
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

// A worker or an edge knows nothing of this; it is imported before its own program.
process.on("message", (inquiry: Inquiry) => process.send?.(answer(inquiry)))
process.channel?.unref()
