/** The newest entry of an account when a segment covered it. */
export interface SealMark {
  /** The number of the entry's revision, from 1, among the revisions that applied something. */
  readonly index: number
  /** The number of the entry in the account, from 1. */
  readonly number: number
  /** When the broker stored the message of the entry, in milliseconds since 1970. */
  readonly storedAt: number
}

/** The numbers that a mark takes in the list. */
const width = 3

/**
 * The newest entries of an account's segments, oldest first. Marks tell between which revisions an entry of a time or of
 * a number lies, without a read. Segments of earlier versions have no mark. The list only grows, and only at its end.
 */
export class SealMarks {
  /** The members of all marks, one mark after the other. A worker has many marks, so a mark is not an object. */
  private readonly members: Array<number> = []

  /** Adds the mark of a segment. Ignores a segment that covers no entry after the last mark. */
  add({ index, number, storedAt }: SealMark): void {
    if (index > (this.members.at(-width) ?? 0)) this.members.push(index, number, storedAt)
  }

  /**
   * Returns the last mark that does not fit, and the first mark that fits. Leaves out a mark that does not exist. Every
   * mark after a mark that fits has to fit too.
   */
  around(fits: (mark: SealMark) => boolean): ReadonlyArray<SealMark> {
    const { length } = this
    let low = 0
    for (let high = length; low < high;) {
      const middle = (low + high) >>> 1
      if (fits(this.markAt(middle))) high = middle
      else low = middle + 1
    }
    return [low - 1, low].filter((at) => at >= 0 && at < length).map((at) => this.markAt(at))
  }

  private get length(): number {
    return this.members.length / width
  }

  private markAt(at: number): SealMark {
    const [index = 0, number = 0, storedAt = 0] = this.members.slice(at * width, (at + 1) * width)
    return { index, number, storedAt }
  }
}
