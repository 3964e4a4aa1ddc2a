/**
 * @typedef {object} Worker
 * @property {string} worker
 * @property {number} process
 * @property {string} heardAt
 * @property {ReadonlyArray<number>} partitions
 * @property {number} [applied]
 * @property {number} [repeats]
 * @property {number} [rejected]
 *
 * @typedef {object} Rate
 * @property {number} applied purchases a second
 * @property {number} repeats a second
 */

/**
 * A worker without a sign of life for this long is silent, and does nothing that is known of, in milliseconds: its lease
 * ends by then.
 */
export const silentAfterMilliseconds = 3_500

/** How fast each worker is, from the counts that come with its signs of life and the broker's times of these. */
export class Rates {
  /** @type {Map<string, { worker: Worker, rate: Rate | undefined }>} */
  known = new Map()

  /** Takes the next status. @param {{ at: string, workers: ReadonlyArray<Worker> }} status */
  take({ at, workers }) {
    this.known = new Map(
      workers.map((worker) => [worker.worker, { worker, rate: this.rateOf(worker, Date.parse(at)) }])
    )
  }

  /** Nothing where it is not known yet. @param {string} worker */
  of(worker) {
    return this.known.get(worker)?.rate
  }

  /** Of all workers together; nothing where none is known. @returns {Rate | undefined} */
  get all() {
    const rates = [...this.known.values()].flatMap(({ rate }) => rate ?? [])
    if (rates.length === 0) return undefined
    return {
      applied: rates.reduce((sum, { applied }) => sum + applied, 0),
      repeats: rates.reduce((sum, { repeats }) => sum + repeats, 0)
    }
  }

  /** @param {Worker} now @param {number} at @returns {Rate | undefined} */
  rateOf(now, at) {
    const before = this.known.get(now.worker)
    if (before === undefined || before.worker.process !== now.process) return undefined
    if (at - Date.parse(now.heardAt) > silentAfterMilliseconds) return { applied: 0, repeats: 0 }
    const seconds = (Date.parse(now.heardAt) - Date.parse(before.worker.heardAt)) / 1_000
    if (seconds <= 0) return before.rate
    if (now.applied === undefined || before.worker.applied === undefined) return undefined
    return {
      applied: (now.applied - before.worker.applied) / seconds,
      repeats: ((now.repeats ?? 0) - (before.worker.repeats ?? 0)) / seconds
    }
  }
}
