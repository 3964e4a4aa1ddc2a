/** The time for which a sample is kept, in milliseconds. */
const windowMilliseconds = 60_000
const samplesMax = 2_000

/** The times between the storing and the applying of the purchases that the page saw in the last minute. */
export class Latencies {
  /** @type {Array<{ at: number, milliseconds: number }>} */
  samples = []

  /** @param {number} at @param {number} milliseconds */
  add(at, milliseconds) {
    this.samples.push({ at, milliseconds })
  }

  /**
   * Returns the median and the 99th percentile in milliseconds, and the number of samples; `undefined` without samples.
   *
   * @param {number} now
   */
  at(now) {
    this.samples = this.samples.filter(({ at }) => now - at < windowMilliseconds).slice(-samplesMax)
    const sorted = this.samples.map(({ milliseconds }) => milliseconds).sort((one, other) => one - other)
    if (sorted.length === 0) return undefined
    /** @param {number} share */
    const quantile = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
    return { median: quantile(0.5), high: quantile(0.99), count: sorted.length }
  }
}
