/**
 * A place in the feed of all revisions: behind a line of a commit, or behind the whole commit if `line` is infinite.
 * Sequences are compared only within one stream, so readers treat the text of a place as opaque.
 */
export interface FeedPlace {
  /** The sequence of a commit, 0 before the first commit. */
  readonly sequence: number
  /** The number of a revision in the commit, from 1. */
  readonly line: number
}

/** Returns the place behind a whole commit. */
export const behindCommit = (sequence: number): FeedPlace => ({ sequence, line: Number.POSITIVE_INFINITY })

const placeText = /^(0|[1-9][0-9]{0,14})(?:\.(0|[1-9][0-9]{0,5}))?$/

/** Writes a place: `<sequence>.<line>`, or the sequence alone for the place behind the whole commit. */
export const encodeFeedPlace = ({ sequence, line }: FeedPlace): string =>
  Number.isFinite(line) ? `${sequence}.${line}` : String(sequence)

/** Decodes a place. Returns `undefined` if the text is not a place. */
export const decodeFeedPlace = (text: string): FeedPlace | undefined => {
  const [, sequence, line] = placeText.exec(text) ?? []
  if (sequence === undefined) return undefined
  return line === undefined ? behindCommit(Number(sequence)) : { sequence: Number(sequence), line: Number(line) }
}

/** Returns whether `one` comes after `other`. */
export const isAfter = (one: FeedPlace, other: FeedPlace): boolean =>
  one.sequence === other.sequence ? one.line > other.line : one.sequence > other.sequence
