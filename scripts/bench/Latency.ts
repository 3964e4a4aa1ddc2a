/** Milliseconds from when a request should have been sent until its answer was read. */
export interface Latency {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export const latencyOf = (milliseconds: ReadonlyArray<number>): Latency => {
  const sorted = milliseconds.toSorted((one, other) => one - other)
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}
