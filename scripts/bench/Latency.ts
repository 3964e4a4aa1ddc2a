import type { Measurement } from "./Case.ts"
import type { Spent } from "./ProcessorTime.ts"

/** The latency of requests: the milliseconds from the time at which a request was due until its answer was read. */
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

/** Returns the measurements of a latency, with the processor time of one request if it is given. */
export const latencyMeasurements = (
  name: string,
  milliseconds: ReadonlyArray<number>,
  spent?: Spent
): Array<Measurement> => {
  const { p50, p99 } = latencyOf(milliseconds)
  return [
    { name: `${name} p50`, unit: "ms", value: p50, ...(spent === undefined ? {} : { spent }) },
    { name: `${name} p99`, unit: "ms", value: p99 }
  ]
}
