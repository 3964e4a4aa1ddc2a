import type { WorkerSign } from "../nats/WorkerBucket.ts"
import { assignmentOf } from "./Assignment.ts"

/** A worker that takes part in the assignment of partitions. */
export interface LeaseHolder {
  readonly worker: string
  /** The number of the worker's process. A later process under the same name has a higher number. */
  readonly instance: number
  readonly partitions: number
  /** The time after its last sign of life after which a worker counts as dead. */
  readonly leaseMilliseconds: number
}

const isSame = (one: ReadonlySet<number>, other: ReadonlySet<number>): boolean =>
  one.size === other.size && [...one].every((partition) => other.has(partition))

const isSameList = (one: ReadonlyArray<string>, other: ReadonlyArray<string>): boolean =>
  one.length === other.length && one.every((name, index) => name === other[index])

/**
 * Decides from signs of life which partitions belong to this worker. The lease has no clock: callers pass times, in
 * milliseconds of one clock.
 */
export class Lease {
  private readonly holder: LeaseHolder
  private readonly heardAt = new Map<string, number>()
  private assigned: ReadonlySet<number> = new Set()
  /** The workers that were alive at the last decision. */
  private assignedFor: ReadonlyArray<string> = []
  private isLeft = false
  /** The time of the last sign of life of a later process under the same name. */
  private successorHeardAt = Number.NEGATIVE_INFINITY

  constructor(holder: LeaseHolder) {
    this.holder = holder
  }

  /** The partitions that this worker should own, by the last decision. */
  get partitions(): ReadonlySet<number> {
    return this.assigned
  }

  /**
   * Returns whether a later process under the same name is alive. While a later process under the same name lives,
   * other workers would not notice the death of this process. A process with a later process under the same name must
   * hold no partitions.
   */
  isSucceeded(now: number): boolean {
    return now - this.successorHeardAt < this.holder.leaseMilliseconds
  }

  /** Returns whether this process may give signs of life and own partitions. */
  isHolding(now: number): boolean {
    return !this.isLeft && !this.isSucceeded(now)
  }

  /** Takes a sign of life, which comes at the time `now`. */
  hear(sign: Pick<WorkerSign, "worker" | "instance" | "isLeaving">, now: number): void {
    if (sign.worker === this.holder.worker) this.hearOwnName(sign, now)
    else if (sign.isLeaving) this.heardAt.delete(sign.worker)
    else this.heardAt.set(sign.worker, now)
  }

  /**
   * Takes the signs of life that workers gave before this process listened. The age of an earlier sign of life is
   * computed from the broker's clock alone.
   */
  recall(signs: ReadonlyArray<WorkerSign>, now: number): void {
    const brokersNow = Math.max(0, ...signs.map(({ storedAt }) => storedAt))
    for (const { worker, storedAt } of signs) {
      if (worker === this.holder.worker || this.heardAt.has(worker)) continue
      this.heardAt.set(worker, now - (brokersNow - storedAt))
    }
  }

  /** Renews the leases of all other workers, after a time in which no sign of life could reach this process. */
  forgive(now: number): void {
    for (const worker of this.heardAt.keys()) this.heardAt.set(worker, now)
  }

  /** Gives up all partitions, and takes no partition again. */
  leave(): void {
    this.isLeft = true
  }

  /** Decides again which partitions belong to this worker. Returns whether the partitions of this worker changed. */
  reassign(now: number): boolean {
    const { worker, partitions, leaseMilliseconds } = this.holder
    const before = this.assigned
    const living = [...this.heardAt].filter(([, heardAt]) => now - heardAt < leaseMilliseconds).map(([name]) => name)
    const workers = this.isHolding(now) ? [worker, ...living].toSorted() : []
    if (isSameList(workers, this.assignedFor)) return false
    this.assignedFor = workers
    const assignment = Array.from(assignmentOf(workers, partitions))
    this.assigned = new Set(assignment.flatMap(([partition, owner]) => (owner === worker ? [partition] : [])))
    return !isSame(before, this.assigned)
  }

  private hearOwnName({ instance, isLeaving }: Pick<WorkerSign, "instance" | "isLeaving">, now: number): void {
    if (instance > this.holder.instance) this.successorHeardAt = isLeaving ? Number.NEGATIVE_INFINITY : now
  }
}
