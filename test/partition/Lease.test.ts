import { describe, expect, it } from "vitest"
import type { WorkerSign } from "../../src/nats/WorkerBucket.ts"
import { Lease } from "../../src/partition/Lease.ts"

const partitions = 8
const leaseMilliseconds = 3_000

const sign = (worker: string, about: Partial<WorkerSign> = {}): WorkerSign => ({
  worker,
  instance: 1,
  storedAt: 0,
  silentMilliseconds: 0,
  isLeaving: false,
  ...about
})

/** The lease of process 7 of `mine`, decided once without other workers at the time 0. */
const newLease = (): Lease => {
  const lease = new Lease({ worker: "mine", instance: 7, partitions, leaseMilliseconds })
  lease.reassign(0)
  return lease
}

describe("Lease", () => {
  it("a worker that hears no other worker has every partition", () => {
    expect(newLease().partitions.size).toBe(partitions)
  })

  it("a worker shares the partitions with another worker until that worker was silent for the lease", () => {
    const lease = newLease()
    lease.hear(sign("other"), 1_000)
    expect(lease.reassign(1_000)).toBe(true)
    expect(lease.partitions.size).toBeLessThan(partitions)
    expect(lease.reassign(1_000 + leaseMilliseconds - 1)).toBe(false)
    expect(lease.reassign(1_000 + leaseMilliseconds)).toBe(true)
    expect(lease.partitions.size).toBe(partitions)
  })

  it("a worker takes the partitions of a leaving worker at once", () => {
    const lease = newLease()
    lease.hear(sign("other"), 0)
    lease.reassign(0)
    lease.hear(sign("other", { isLeaving: true }), 1)
    lease.reassign(1)
    expect(lease.partitions.size).toBe(partitions)
  })

  it("a new worker measures the age of earlier signs of life by the broker's clock", () => {
    const lease = newLease()
    lease.recall([sign("young", { storedAt: 90_000 }), sign("old", { storedAt: 90_000 - leaseMilliseconds })], 10)
    lease.reassign(10)
    const withBoth = lease.partitions
    const another = newLease()
    another.hear(sign("young"), 10)
    another.reassign(10)
    expect(withBoth).toEqual(another.partitions)
  })

  it("a worker counts the other workers as alive after a time in which no worker could be heard", () => {
    const lease = newLease()
    lease.hear(sign("other"), 0)
    lease.reassign(0)
    lease.forgive(leaseMilliseconds)
    expect(lease.reassign(leaseMilliseconds)).toBe(false)
  })

  it("a worker has no partition while a later process lives under its name, and takes all partitions later", () => {
    const lease = newLease()
    lease.hear(sign("mine", { instance: 6 }), 0)
    expect(lease.isSucceeded(0)).toBe(false)
    lease.hear(sign("mine", { instance: 8 }), 0)
    lease.reassign(0)
    expect(lease.partitions.size).toBe(0)
    lease.reassign(leaseMilliseconds)
    expect(lease.partitions.size).toBe(partitions)
  })

  it("a worker that has left gives no sign of life and owns no partition", () => {
    const lease = newLease()
    lease.leave()
    lease.reassign(0)
    expect({ isHolding: lease.isHolding(0), owned: lease.partitions.size }).toEqual({ isHolding: false, owned: 0 })
  })
})
