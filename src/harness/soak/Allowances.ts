import type { ProcessFigures } from "./preload/Introspection.ts"

export const mebibyte = 1024 ** 2
/** The number of requests that a soak keeps in flight. */
export const soakLanes = 16

/** The most that each figure of the broker may grow during the load of a soak. */
export const brokerAllowances = {
  // `residentBytes` excludes the free memory that Go keeps. Go's allocator keeps pieces of memory that it cannot
  // release.
  residentBytes: 64 * mebibyte,
  // The broker keeps one block of messages (8 MiB) of the input log, and one block of the journal. The heads of a soak
  // are far smaller than a block.
  heapBytes: 16 * mebibyte,
  descriptors: 8,
  connections: 0,
  subscriptions: 2,
  consumers: 0
}

/**
 * The most that each figure of a worker or an edge may grow during the load of a soak. The compiler, the allocator and
 * the clients of a process keep some memory after a load.
 */
export const processAllowances: Readonly<Record<keyof ProcessFigures, number>> = {
  // `residentBytes` excludes the heap of V8. The allocator keeps pieces of memory that it cannot release, and V8 keeps
  // compiled code.
  residentBytes: 64 * mebibyte,
  heapBytes: 4 * mebibyte,
  externalBytes: 8 * mebibyte,
  // A client may keep one idle connection for each request in flight.
  descriptors: soakLanes,
  sockets: soakLanes,
  timers: 8,
  otherHandles: 2
}

/** The most memory that a worker needs for the head of one user, as the comment of `HeadTable` says. */
export const workerBytesPerUserMax = 72
