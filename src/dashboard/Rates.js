/**
 * @typedef {object} Worker
 * @property {string} worker
 * @property {number} process
 * @property {string} heardAt
 * @property {boolean} alive
 * @property {number} silentMilliseconds
 * @property {ReadonlyArray<number>} partitions
 * @property {string} [startedAt]
 * @property {number} [applied]
 * @property {number} [repeats]
 * @property {number} [rejected]
 *
 * @typedef {object} Rate
 * @property {number} applied purchases a second
 * @property {number} repeats a second
 */

/**
 * The numbers of applied purchases and of repeats of each worker per second. A rate comes from the counts in two signs
 * of life, and from the times at which the broker stored the two signs of life.
 */
export class Rates {
  /** @type {Map<string, { worker: Worker, rate: Rate | undefined }>} */
  known = new Map()

  /**
   * Computes the rates from the previous status and the next status.
   *
   * @param {{ workers: ReadonlyArray<Worker> }} status
   */
  take({ workers }) {
    this.known = new Map(workers.map((worker) => [worker.worker, { worker, rate: this.rateOf(worker) }]))
  }

  /** Returns the rate of a worker; `undefined` if the rate is not known yet. @param {string} worker */
  of(worker) {
    return this.known.get(worker)?.rate
  }

  /** Returns the rate of all workers together; `undefined` if no rate is known. @returns {Rate | undefined} */
  get all() {
    const rates = [...this.known.values()].flatMap(({ rate }) => rate ?? [])
    if (rates.length === 0) return undefined
    return {
      applied: rates.reduce((sum, { applied }) => sum + applied, 0),
      repeats: rates.reduce((sum, { repeats }) => sum + repeats, 0)
    }
  }

  /**
   * Returns the rate of a worker; 0 if the worker is not alive, and `undefined` until two signs of life of its process
   * came.
   *
   * @param {Worker} now
   * @returns {Rate | undefined}
   */
  rateOf(now) {
    const before = this.known.get(now.worker)
    if (before === undefined || before.worker.process !== now.process) return undefined
    if (!now.alive) return { applied: 0, repeats: 0 }
    const seconds = (Date.parse(now.heardAt) - Date.parse(before.worker.heardAt)) / 1_000
    if (seconds <= 0) return before.rate
    if (now.applied === undefined || before.worker.applied === undefined) return undefined
    return {
      applied: (now.applied - before.worker.applied) / seconds,
      repeats: ((now.repeats ?? 0) - (before.worker.repeats ?? 0)) / seconds
    }
  }
}
