import { describe, expect, it } from "vitest"
import { checkSegments, type ReadSegment, type UnsealedRevision } from "../../src/audit/SegmentAudit.ts"

/** A repeat of the id `p1`. */
const counts = new Map([["p1", { repeats: 1, conflicts: 0, reversed: 0, lastReversal: 0 }]])

const idle = (sequence: number): UnsealedRevision => ({
  sequence,
  count: 0,
  ids: 0,
  prints: 0,
  counts,
  storedThrough: 1_000,
  isUnreadable: false
})

const segmentOf = (sequence: number, covered: number): ReadSegment => ({
  sequence,
  links: { before: [], directories: [] },
  revisions: [idle(covered)],
  counts,
  storedThrough: 1_000,
  partition: 0
})

describe("checkSegments", () => {
  it("adds up the counts of one id in the segments of two sealings, which one revision names", () => {
    const wrong: Array<string> = []
    const sealed = checkSegments([segmentOf(5, 2), segmentOf(6, 3)], [idle(2), idle(3), idle(4)], (one) => {
      wrong.push(one)
    })
    expect({ sealed, wrong }).toEqual({ sealed: 2, wrong: [] })
  })
})
