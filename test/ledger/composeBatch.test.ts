import { array, assert, boolean, integer, property, record } from "fast-check"
import { describe, expect, it } from "vitest"
import { composeBatch, commitBytesMax } from "../../src/ledger/Batch.ts"
import type { Proposal } from "../../src/ledger/Proposal.ts"
import { batchMessagesMax } from "../../src/nats/LedgerBucket.ts"
import { TestEpoch, write, writes } from "../support/TestEpoch.ts"

const positionOf = (epoch: TestEpoch, position: number) => ({
  key: `position.${epoch.partition}`,
  value: `{"version":1,"position":${position}}`,
  guard: { key: `owner.${epoch.partition}`, revision: epoch.epoch }
})

describe("composeBatch", () => {
  it("takes what is ready in its order, and ends with each partition's position under its owner's guard", () => {
    const [one, two] = [new TestEpoch(1, 71), new TestEpoch(2, 72)]
    const [a, b, c] = [write("account.a"), write("account.b"), write("account.c")]
    const pending = [one.propose(one.receive(), [a]), two.propose(two.receive(), [b]), one.propose(one.receive(), [c])]
    const batch = composeBatch(pending)
    expect(batch.writes).toEqual([a, b, c, positionOf(one, 2), positionOf(two, 1)])
    expect(pending).toEqual([])
    expect([...batch.epochs].map(([epoch, done]) => [epoch.partition, done.map(({ sequence }) => sequence)])).toEqual([
      [1, [1, 2]],
      [2, [1]]
    ])
  })

  it("does not move a position over a message of which a part is not in the batch", () => {
    const epoch = new TestEpoch(0, 7)
    const [first, second] = [epoch.receive(2), epoch.receive()]
    const batch = composeBatch([
      epoch.propose(first, [write("account.a")]),
      epoch.propose(second, [write("account.b")])
    ])
    expect(batch.writes.at(-1)).toEqual(positionOf(epoch, 0))
    const rest = composeBatch([epoch.propose(first, [write("account.c")])])
    expect(rest.writes).toEqual([write("account.c"), positionOf(epoch, 2)])
  })

  it("writes the position alone when nothing else is to be written", () => {
    const epoch = new TestEpoch(3, 9)
    expect(composeBatch([epoch.propose(epoch.receive(), [])]).writes).toEqual([positionOf(epoch, 1)])
  })

  it("drops what closed epochs proposed", () => {
    const [closed, open] = [new TestEpoch(1, 5), new TestEpoch(2, 6)]
    const pending = [
      closed.propose(closed.receive(), [write("account.a")]),
      open.propose(open.receive(), [write("account.b")]),
      closed.propose(closed.receive(), [write("account.c")])
    ]
    closed.failed("over")
    expect(composeBatch(pending).writes).toEqual([write("account.b"), positionOf(open, 1)])
    expect(pending).toEqual([])
    expect(closed.progress.position).toBe(0)
    const nothing = [closed.propose(closed.receive(), [write("account.d")])]
    expect(composeBatch(nothing).writes).toEqual([])
    expect(nothing).toEqual([])
  })

  it("fills a batch up to the broker's bound, positions included", () => {
    const epoch = new TestEpoch(0, 1)
    const pending = [
      epoch.propose(epoch.receive(), writes("a", batchMessagesMax - 2)),
      epoch.propose(epoch.receive(), writes("b", 1)),
      epoch.propose(epoch.receive(), writes("c", 1))
    ]
    expect(composeBatch(pending).writes).toHaveLength(batchMessagesMax)
    expect(composeBatch(pending).writes).toEqual([...writes("c", 1), positionOf(epoch, 3)])
  })

  it("ends the epoch of a proposal that fits into no batch, and goes on with the others", () => {
    const [huge, other] = [new TestEpoch(1, 5), new TestEpoch(2, 6)]
    const pending = [
      huge.propose(huge.receive(), writes("a", batchMessagesMax)),
      other.propose(other.receive(), [write("account.b")])
    ]
    const batch = composeBatch(pending)
    expect(huge.failures).toHaveLength(1)
    expect(batch.writes).toEqual([write("account.b"), positionOf(other, 1)])
    expect(pending).toEqual([])
  })

  it("bounds the bytes of a batch, but lets a single proposal through", () => {
    const epoch = new TestEpoch(0, 1)
    const large = commitBytesMax / 2 + 1
    const pending = [1, 2, 3].map((number) => epoch.propose(epoch.receive(), [write(`account.${number}`, large)]))
    expect(composeBatch(pending).writes).toHaveLength(2)
    expect(pending).toHaveLength(2)
  })

  it("whatever is proposed: bounded batches, everything of open epochs once and in order, positions never ahead", () => {
    const proposal = record({
      partition: integer({ min: 0, max: 4 }),
      writes: integer({ min: 0, max: 600 }),
      large: boolean()
    })
    assert(
      property(array(proposal, { maxLength: 30 }), integer({ min: -1, max: 4 }), (shapes, closed) => {
        const epochs = Array.from({ length: 5 }, (_, partition) => new TestEpoch(partition, 100 + partition))
        epochs[closed]?.failed("over")
        const pending: Array<Proposal<unknown>> = []
        const wanted: Array<string> = []
        for (const [index, shape] of shapes.entries()) {
          const epoch = epochs[shape.partition]
          if (epoch === undefined) continue
          const own = writes(`w${index}`, shape.writes, shape.large ? 20_000 : 10)
          pending.push(epoch.propose(epoch.receive(), own))
          if (shape.partition !== closed) wanted.push(...own.map(({ key }) => key))
        }
        const written: Array<string> = []
        while (pending.length > 0) {
          const left = pending.length
          const batch = composeBatch(pending)
          expect(pending.length).toBeLessThan(left)
          expect(batch.writes.length).toBeLessThanOrEqual(batchMessagesMax)
          const positions = batch.writes.filter(({ guard }) => guard !== undefined)
          expect(positions).toEqual(
            [...batch.epochs.keys()].map((epoch) => positionOf(epoch as TestEpoch, epoch.progress.position))
          )
          expect(batch.writes.slice(batch.writes.length - positions.length)).toEqual(positions)
          const own = batch.writes.slice(0, batch.writes.length - positions.length)
          const bytes = own.reduce((sum, { value }) => sum + value.length, 0)
          if (batch.proposals.length > 1) expect(bytes).toBeLessThanOrEqual(commitBytesMax)
          written.push(...own.map(({ key }) => key))
        }
        expect(written).toEqual(wanted)
      })
    )
  })
})
