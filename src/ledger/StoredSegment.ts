import { Effect } from "effect"
import { linksAfter, type SegmentContent, type SegmentLinks } from "../account/Segment.ts"
import { encodeSegment } from "../protocol/SegmentCodec.ts"

/** A stored segment: its sequence, and the links for the next segment of the account. */
export interface StoredSegment {
  readonly segment: number
  readonly links: SegmentLinks
}

/** Stores segments one after the other, because each segment names the segments before it. Returns the last segment. */
export const storeSegments = Effect.fnUntraced(function* <E>(
  seal: (segment: string) => Effect.Effect<number, E>,
  userToken: string,
  contents: ReadonlyArray<SegmentContent>,
  first: SegmentLinks
): Effect.fn.Return<StoredSegment, E> {
  let links = first
  let segment = 0
  for (const content of contents) {
    segment = yield* seal(encodeSegment({ userToken, ...content, links }))
    links = linksAfter(links, segment)
  }
  return { segment, links }
})
