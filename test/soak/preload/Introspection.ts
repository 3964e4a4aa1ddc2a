import { readdirSync } from "node:fs"

/** What a process holds on to. */
export interface ProcessFigures {
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
    residentBytes: rss,
    heapBytes: heapUsed,
    externalBytes: external,
    descriptors: readdirSync("/dev/fd").length,
    sockets,
    timers,
    otherHandles: handles.length - sockets - timers
  }
}

// A worker or an edge knows nothing of this; it is imported before its own program.
process.on("message", () => process.send?.(figures()))
process.channel?.unref()
