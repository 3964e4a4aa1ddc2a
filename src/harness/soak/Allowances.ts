import type { ProcessFigures } from "./preload/Introspection.ts"

export const mebibyte = 1024 ** 2
/** How many requests are on their way at once. */
export const soakLanes = 16

/** How much more the broker may hold after a load. */
export const brokerAllowances = {
  // It counts without the memory that Go keeps free for later; pieces of the allocator remain.
  residentBytes: 64 * mebibyte,
  // A block of messages (8 MiB) of the input log and of the journal; the heads of a soak are far smaller than a block.
  heapBytes: 16 * mebibyte,
  descriptors: 8,
  connections: 0,
  subscriptions: 2,
  consumers: 0
}

/** How much more a process of ours may hold after a load: what the compiler, the allocator and the clients keep. */
export const processAllowances: Readonly<Record<keyof ProcessFigures, number>> = {
  // It counts without the heap of V8; malloc keeps pieces, and V8 keeps compiled code.
  residentBytes: 64 * mebibyte,
  heapBytes: 4 * mebibyte,
  externalBytes: 8 * mebibyte,
  // Clients may keep as many connections for their next request as they have lanes.
  descriptors: soakLanes,
  sockets: soakLanes,
  timers: 8,
  otherHandles: 2
}

/** The most memory of a worker that the head of a user takes, as the table of heads says. */
export const workerBytesPerUserMax = 72
