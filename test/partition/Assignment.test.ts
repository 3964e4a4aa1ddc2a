import { assert, integer, property, string, uniqueArray } from "fast-check"
import { describe, expect, it } from "vitest"
import { assignmentOf } from "../../src/partition/Assignment.ts"

const workers = uniqueArray(string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 12 })
const partitions = integer({ min: 1, max: 64 })

const sharesOf = (assignment: ReadonlyMap<number, string>, names: ReadonlyArray<string>): ReadonlyArray<number> =>
  names.map((name) => Array.from(assignment.values()).filter((worker) => worker === name).length)

describe("the assignment of partitions to workers", () => {
  it("every partition has a worker, and the shares of two workers differ by one partition at most", () => {
    assert(
      property(workers, partitions, (names, count) => {
        const assignment = assignmentOf(names, count)
        expect(Array.from(assignment.keys()).toSorted((one, other) => one - other)).toEqual(
          Array.from({ length: count }, (_, partition) => partition)
        )
        const shares = sharesOf(assignment, names)
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
      })
    )
  })

  it("the assignment does not depend on the order in which the workers were heard", () => {
    assert(
      property(workers, partitions, (names, count) => {
        expect(assignmentOf(names.toReversed(), count)).toEqual(assignmentOf(names, count))
      })
    )
  })

  it("a second worker takes half of the partitions, and the first worker keeps the other half", () => {
    const shared = assignmentOf(["worker-1", "worker-2"], 8)
    expect(sharesOf(shared, ["worker-1", "worker-2"])).toEqual([4, 4])
  })

  it("a worker that joins leaves most partitions where they were", () => {
    const names = Array.from({ length: 9 }, (_, index) => `worker-${index + 1}`)
    const before = assignmentOf(names, 256)
    const after = assignmentOf([...names, "worker-10"], 256)
    const moved = Array.from(before).filter(([partition, worker]) => after.get(partition) !== worker).length
    expect(moved).toBeLessThan(256 / 4)
  })

  it("no worker has a partition if there are no workers", () => {
    expect(assignmentOf([], 8).size).toBe(0)
  })
})
