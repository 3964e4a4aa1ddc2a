import { Effect } from "effect"

interface Sequenced {
  readonly sequence: number
}

/** A range of sequences that is not visited yet, with the first message of the range if this message is known. */
interface Range<A> {
  readonly start: number
  readonly end: number
  readonly first: A | undefined
}

/**
 * Visits the messages between two sequences of a stream, newest first, until `visit` returns `enough`. The broker finds
 * only the first message at or after a sequence. The search therefore halves the range of sequences repeatedly, and
 * looks in the newer half first. The search takes at most 2 log2(range) reads for one message.
 */
export const newestFirst = <A extends Sequenced, E>(
  firstFrom: (sequence: number) => Effect.Effect<A | undefined, E>,
  low: number,
  high: number,
  visit: (found: A) => "more" | "enough"
): Effect.Effect<void, E> =>
  Effect.gen(function* () {
    const ranges: Array<Range<A>> = [{ start: low, end: high, first: undefined }]
    for (let range = ranges.pop(); range !== undefined; range = ranges.pop()) {
      const { start, end } = range
      if (start >= end) continue
      const first = range.first ?? (yield* firstFrom(start))
      if (first === undefined || first.sequence >= end) continue
      if (end - first.sequence > 1) {
        const middle = first.sequence + Math.ceil((end - first.sequence) / 2)
        ranges.push({ start: first.sequence, end: middle, first }, { start: middle, end, first: undefined })
      } else if (visit(first) === "enough") return
    }
  })
