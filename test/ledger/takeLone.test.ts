import { describe, expect, it } from "vitest"
import { loneWaitingMax, loneWrite, takeLone } from "../../src/ledger/LoneWrite.ts"
import type { Proposal } from "../../src/ledger/Proposal.ts"
import { TestEpoch, write, writes } from "../support/TestEpoch.ts"

const keysOf = (proposals: ReadonlyArray<Proposal<unknown>> | undefined) =>
  proposals?.map((proposal) => proposal.writes.map(({ key }) => key).join())

describe("takeLone", () => {
  it("takes the first of each partition, and leaves the others in their order", () => {
    const [one, two] = [new TestEpoch(1, 71), new TestEpoch(2, 72)]
    const pending = [
      one.propose(one.receive(), [write("a")]),
      one.propose(one.receive(), [write("b")]),
      two.propose(two.receive(), [write("c")])
    ]
    expect(keysOf(takeLone(pending))).toEqual(["a", "c"])
    expect(keysOf(pending)).toEqual(["b"])
    expect(keysOf(takeLone(pending))).toEqual(["b"])
    expect(takeLone(pending)).toEqual([])
  })

  it("takes nothing where one partition has more waiting, or something that has to be written as one", () => {
    const epoch = new TestEpoch(1, 71)
    const few = Array.from({ length: loneWaitingMax }, (_, index) =>
      epoch.propose(epoch.receive(), [write(`a.${index}`)])
    )
    const many = [...few, epoch.propose(epoch.receive(), [write("one-more")])]
    expect(takeLone(many)).toBeUndefined()
    expect(many).toHaveLength(loneWaitingMax + 1)
    const segment = [epoch.propose(epoch.receive(), writes("segment", 2))]
    expect(takeLone(segment)).toBeUndefined()
    expect(segment).toHaveLength(1)
  })

  it("drops what closed epochs proposed, however much that was", () => {
    const [closed, open] = [new TestEpoch(1, 5), new TestEpoch(2, 6)]
    const pending = [
      ...Array.from({ length: 9 }, () => closed.propose(closed.receive(), writes("a", 3))),
      open.propose(open.receive(), [write("b")])
    ]
    closed.failed("over")
    expect(keysOf(takeLone(pending))).toEqual(["b"])
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
