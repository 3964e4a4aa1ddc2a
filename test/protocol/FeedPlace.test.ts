import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  behindCommit,
  decodeFeedPlace,
  encodeFeedPlace,
  type FeedPlace,
  isAfter
} from "../../src/protocol/FeedPlace.ts"

const line = fc.oneof(fc.integer({ min: 0, max: 999_999 }), fc.constant(Number.POSITIVE_INFINITY))
const place: fc.Arbitrary<FeedPlace> = fc.record({ sequence: fc.integer({ min: 0, max: 999_999_999_999_999 }), line })
/** Places that often share a sequence or a line. */
const near: fc.Arbitrary<FeedPlace> = fc.record({
  sequence: fc.integer({ min: 0, max: 2 }),
  line: fc.oneof(fc.integer({ min: 0, max: 2 }), fc.constant(Number.POSITIVE_INFINITY))
})

describe("a place of a feed as text", () => {
  it("a place of a feed is read back as it was written", () => {
    fc.assert(fc.property(place, (one) => void expect(decodeFeedPlace(encodeFeedPlace(one))).toEqual(one)))
  })

  it.each<[string, FeedPlace]>([
    ["0", behindCommit(0)],
    ["17", behindCommit(17)],
    ["17.0", { sequence: 17, line: 0 }],
    ["17.3", { sequence: 17, line: 3 }]
  ])("the place %s is read, and an integer is the place behind the whole commit", (text, expected) => {
    expect(decodeFeedPlace(text)).toEqual(expected)
    expect(encodeFeedPlace(expected)).toBe(text)
  })

  it.each([
    "",
    " ",
    "-1",
    "+1",
    "01",
    "1.",
    ".1",
    "1.01",
    "1.1.1",
    "1e3",
    "1,5",
    "1.-1",
    " 1",
    "1 ",
    "1\n",
    "١",
    "NaN",
    "Infinity",
    "1.Infinity",
    "1000000000000000",
    "1.1000000"
  ])("the text %j is refused as a place of a feed", (text) => {
    expect(decodeFeedPlace(text)).toBeUndefined()
  })
})

describe("the order of places", () => {
  it("places are ordered by commit and then by line, and the last place of a commit is behind all its lines", () => {
    const ordered = ["3.0", "3.1", "3.2", "3.10", "3", "4.1", "4", "10.1"].map((text) => decodeFeedPlace(text))
    for (const [index, one] of ordered.entries()) {
      for (const [other, than] of ordered.entries()) {
        if (one === undefined || than === undefined) throw new Error("no place")
        expect(isAfter(one, than)).toBe(index > other)
      }
    }
  })

  it("one of two different places is after the other, and no place is after itself", () => {
    fc.assert(
      fc.property(near, near, near, (one, other, third) => {
        const isSame = encodeFeedPlace(one) === encodeFeedPlace(other)
        expect(Number(isAfter(one, other)) + Number(isAfter(other, one))).toBe(isSame ? 0 : 1)
        if (isAfter(one, other) && isAfter(other, third)) expect(isAfter(one, third)).toBe(true)
      })
    )
  })
})
