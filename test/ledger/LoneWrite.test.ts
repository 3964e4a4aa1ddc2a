import { describe, expect, it } from "vitest"
import { batchIsDue, loneOfPartitionMax, loneWaitingMax, loneWrite, takeLone } from "../../src/ledger/LoneWrite.ts"
import type { CommitEpoch, Proposal } from "../../src/ledger/Proposal.ts"
import { TestEpoch, write, writes } from "../support/TestEpoch.ts"

const keysOf = (proposals: ReadonlyArray<Proposal<unknown>>) =>
  proposals.map((proposal) => proposal.writes.map(({ key }) => key).join())

const proposals = (epoch: TestEpoch, count: number) =>
  Array.from({ length: count }, (_, index) => epoch.propose(epoch.receive(), [write(`a.${index}`)]))

describe("batchIsDue", () => {
  it("where one partition has much waiting", () => {
    const epoch = new TestEpoch(1, 71)
    const few = proposals(epoch, loneOfPartitionMax)
    expect(batchIsDue([])).toBe(false)
    expect(batchIsDue(few)).toBe(false)
    expect(batchIsDue([...few, ...proposals(epoch, 1)])).toBe(true)
  })

  it("where all of them together have", () => {
    const each = loneOfPartitionMax - 1
    const partitions = Array.from({ length: Math.floor(loneWaitingMax / each) }, (_, index) => new TestEpoch(index, 5))
    const few = partitions.flatMap((epoch) => proposals(epoch, each))
    const rest = proposals(new TestEpoch(90, 5), loneWaitingMax - few.length)
    expect(batchIsDue([...few, ...rest])).toBe(false)
    expect(batchIsDue([...few, ...rest, ...proposals(new TestEpoch(91, 5), 1)])).toBe(true)
  })

  it("where something has to be written as one", () => {
    const epoch = new TestEpoch(1, 71)
    expect(batchIsDue([...proposals(epoch, 1), epoch.propose(epoch.receive(), writes("segment", 2))])).toBe(true)
  })

  it("for nothing that closed epochs proposed", () => {
    const epoch = new TestEpoch(1, 71)
    const many = [...proposals(epoch, 99), epoch.propose(epoch.receive(), writes("segment", 2))]
    epoch.failed("over")
    expect(batchIsDue(many)).toBe(false)
  })
})

describe("takeLone", () => {
  it("takes the first of each partition that has nothing in flight, and leaves the others in their order", () => {
    const [one, two, busy] = [new TestEpoch(1, 71), new TestEpoch(2, 72), new TestEpoch(3, 73)]
    const pending = [
      busy.propose(busy.receive(), [write("z")]),
      one.propose(one.receive(), [write("a")]),
      one.propose(one.receive(), [write("b")]),
      two.propose(two.receive(), [write("c")])
    ]
    const inFlight = new Set<CommitEpoch<unknown>>([busy as unknown as CommitEpoch<unknown>])
    expect(keysOf(takeLone(pending, inFlight))).toEqual(["a", "c"])
    expect(keysOf(pending)).toEqual(["z", "b"])
    expect(keysOf(takeLone(pending, inFlight))).toEqual(["b"])
    expect(keysOf(takeLone(pending, inFlight))).toEqual([])
    expect(keysOf(takeLone(pending, new Set()))).toEqual(["z"])
    expect(pending).toEqual([])
  })

  it("drops what closed epochs proposed, however much that was", () => {
    const [closed, open] = [new TestEpoch(1, 5), new TestEpoch(2, 6)]
    const pending = [...proposals(closed, 9), open.propose(open.receive(), [write("b")])]
    closed.failed("over")
    expect(keysOf(takeLone(pending, new Set()))).toEqual(["b"])
    expect(pending).toEqual([])
  })
})

describe("loneWrite", () => {
  it("stands under its owner's guard, and is nothing where nothing is to be written", () => {
    const epoch = new TestEpoch(3, 9)
    const proposal = epoch.propose(epoch.receive(), [{ key: "account.a", value: "x", expected: 7 }])
    expect(loneWrite(proposal)).toEqual({ key: "account.a", value: "x", guard: { key: "owner.3", revision: 9 } })
    expect(loneWrite(epoch.propose(epoch.receive(), []))).toBeUndefined()
  })
})
