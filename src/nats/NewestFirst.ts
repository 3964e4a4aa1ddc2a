import { Effect } from "effect"

interface Sequenced {
  readonly sequence: number
}

/**
 * Visits what a stream has between two sequences, newest first, until `visit` says that it is enough. The broker only
 * finds the first at or after a sequence, so the range is cut in halves, the newer one first: at most
 * 2 log2(range) looks for each that is visited, and nothing else is kept.
 */
export const newestFirst = <A extends Sequenced, E>(
  firstFrom: (sequence: number) => Effect.Effect<A | undefined, E>,
  low: number,
  high: number,
  visit: (found: A) => "more" | "enough"
): Effect.Effect<void, E> => {
  let isEnough = false

  /** Visits what is at or after `first`, which is there, and below `end`. */
  const visitFrom = (first: A, end: number): Effect.Effect<void, E> =>
    Effect.suspend(() => {
      if (end - first.sequence <= 1) {
        isEnough = visit(first) === "enough"
        return Effect.void
      }
      const middle = first.sequence + Math.ceil((end - first.sequence) / 2)
      return Effect.andThen(
        visitBetween(middle, end),
        Effect.suspend(() => (isEnough ? Effect.void : visitFrom(first, middle)))
      )
    })

  const visitBetween = (start: number, end: number): Effect.Effect<void, E> =>
    start >= end
      ? Effect.void
      : Effect.flatMap(firstFrom(start), (first) =>
          first === undefined || first.sequence >= end ? Effect.void : visitFrom(first, end)
        )

  return visitBetween(low, high)
}
