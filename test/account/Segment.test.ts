import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { linksAfter, linksMax, noLinks, type Segment, type SegmentLinks } from "../../src/account/Segment.ts"
import { decodeSegment, encodeSegment } from "../../src/protocol/SegmentCodec.ts"

const idsOfSegment = 256
const million = 1_000_000

/** Returns the links of segments that an account stores one after the other, by their sequences. */
const chainOf = (segments: number, gap = 3): ReadonlyMap<number, SegmentLinks> => {
  const stored = new Map<number, SegmentLinks>()
  let links = noLinks
  for (let number = 1; number <= segments; number += 1) {
    const sequence = number * gap
    stored.set(sequence, links)
    links = linksAfter(links, sequence)
  }
  return stored
}

/** Follows links from the newest segment. Returns the number of segments found, and the number of steps. */
const follow = (stored: ReadonlyMap<number, SegmentLinks>) => {
  const newest = [...stored.keys()].at(-1) ?? 0
  const found = new Set([newest])
  let steps = 0
  for (let wanted = [newest]; wanted.length > 0;) {
    steps += 1
    const next: Array<number> = []
    for (const sequence of wanted) {
      const { before, directories } = stored.get(sequence) ?? noLinks
      for (const other of [...before, ...directories]) {
        if (found.has(other)) continue
        found.add(other)
        next.push(other)
      }
    }
    wanted = next
  }
  return { found: found.size, isKnown: [...found].every((sequence) => stored.has(sequence)), steps }
}

describe("the links of segments", () => {
  it("links lead from the newest segment to every other segment in at most three steps", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_200 }), fc.integer({ min: 1, max: 9 }), (segments, gap) => {
        const { found, isKnown, steps } = follow(chainOf(segments, gap))
        expect({ found, isKnown }).toEqual({ found: segments, isKnown: true })
        expect(steps).toBeLessThanOrEqual(3)
      }),
      { numRuns: 60 }
    )
  })

  it("each 256th segment is a directory, and later segments name only the directory", () => {
    const linksOf = (segments: number) => [...chainOf(segments + 1, 1).values()].at(-1)
    expect(linksOf(linksMax)?.directories).toEqual([])
    expect(linksOf(linksMax)?.before).toHaveLength(linksMax)
    expect(linksOf(linksMax + 1)).toEqual({ before: [], directories: [linksMax + 1] })
    expect(linksOf(2 * (linksMax + 1))).toEqual({ before: [], directories: [512, 256] })
    expect(linksOf(2 * (linksMax + 1) + 1)).toEqual({ before: [513], directories: [512, 256] })
  })

  it("links find the segments of a million ids in three steps", () => {
    const segments = Math.ceil(million / idsOfSegment)
    expect(follow(chainOf(segments))).toEqual({ found: segments, isKnown: true, steps: 3 })
  })

  it("a segment names at most 255 segments and 255 directories, and these links lead to every segment", () => {
    const segments = (linksMax + 2) * (linksMax + 1) + 7
    const stored = chainOf(segments)
    for (const { before, directories } of stored.values()) {
      if (before.length > linksMax || directories.length > linksMax) throw new Error("too many links")
    }
    expect(follow(stored)).toMatchObject({ found: segments, isKnown: true })
  })
})

const text = fc.string({ unit: "binary", maxLength: 12 })
const reversed = fc.record({ reversed: fc.integer({ min: 1 }), lastReversal: fc.nat() })
const counts = fc
  .tuple(
    fc.record({ repeats: fc.nat(), conflicts: fc.nat() }),
    fc.option(reversed, { nil: { reversed: 0, lastReversal: 0 } })
  )
  .map(([repeats, reversals]) => ({ ...repeats, ...reversals }))
const revision = fc
  .tuple(fc.nat(), fc.array(fc.tuple(text, fc.maxSafeNat()), { maxLength: 5 }))
  .map(([sequence, members]) => ({
    sequence,
    purchaseIds: members.map(([id]) => id),
    fingerprints: members.map(([, fingerprint]) => fingerprint)
  }))
const segment: fc.Arbitrary<Segment> = fc.record({
  userToken: text,
  revisions: fc.array(revision, { maxLength: 8 }),
  repeats: fc.array(fc.tuple(text, counts), { maxLength: 5 }).map((entries) => new Map(entries)),
  links: fc.record({ before: fc.array(fc.nat()), directories: fc.array(fc.nat()) })
})
/** Segments with a time, and segments of earlier versions, which have no time. */
const segments = fc
  .tuple(segment, fc.option(fc.maxSafeNat()))
  .map(([one, storedThrough]): Segment => (storedThrough === null ? one : { ...one, storedThrough }))

describe("a segment as text", () => {
  it("a segment is read back as it was written, including revisions that applied nothing", () => {
    fc.assert(fc.property(segments, (written) => void expect(decodeSegment(encodeSegment(written))).toEqual(written)))
  })

  const whole = {
    v: 2,
    kind: "segment",
    user: "ann",
    revisions: [[7, ["a"], [1]]],
    repeats: [["a", 1, 0]],
    before: [3],
    directories: []
  }

  it.each<[string, object]>([
    ["of another version", { v: 1 }],
    ["of another kind", { kind: "commit" }],
    ["without a user", { user: undefined }],
    ["with fewer fingerprints than ids", { revisions: [[7, ["a", "b"], [1]]] }],
    ["with an id that is a number", { revisions: [[7, [1], [1]]] }],
    ["with a fingerprint that is a text", { revisions: [[7, ["a"], ["1"]]] }],
    ["with a revision that names no commit", { revisions: [[["a"], [1]]] }],
    ["with a count that is a text", { repeats: [["a", "1", 0]] }],
    ["with a time that is a text", { storedThrough: "7" }],
    ["with a link that is a fraction", { before: [0.5] }]
  ])("a segment is refused %s", (_how, different) => {
    expect(decodeSegment(JSON.stringify(whole)).links.before).toEqual([3])
    expect(() => decodeSegment(JSON.stringify({ ...whole, ...different }))).toThrow()
  })
})
