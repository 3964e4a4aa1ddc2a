import type { RevisionMessage } from "../nats/LedgerStream.ts"

/** The most revisions, and about the most bytes, that an edge keeps for readers who come back soon. */
export const recentRevisionsMax = 2_048
export const recentBytesMax = 8 * 1024 * 1024

/** The most revisions, and about the most bytes, that are given to a reader at once. */
export const sliceRevisionsMax = 128
export const sliceBytesMax = 64 * 1024

/** The end of the ledger as far as it was heard: what lies between two sequences, whole. */
export class RecentRevisions {
  private readonly held: Array<RevisionMessage> = []
  private bytes = 0
  private below: number
  private last: number

  /** Begins empty, at the end of the ledger. */
  constructor(end: number) {
    this.below = end
    this.last = end
  }

  /** Everything after this sequence is here. */
  get floor(): number {
    return this.below
  }

  /** The sequence of the newest revision that was heard, or else the beginning. */
  get reached(): number {
    return this.last
  }

  push(revisions: ReadonlyArray<RevisionMessage>): void {
    for (const revision of revisions) {
      this.held.push(revision)
      this.bytes += revision.text.length
      this.last = revision.sequence
    }
    let dropped = 0
    for (const { sequence, text } of this.held) {
      if (this.held.length - dropped <= recentRevisionsMax && this.bytes <= recentBytesMax) break
      this.bytes -= text.length
      this.below = sequence
      dropped += 1
    }
    this.held.splice(0, dropped)
  }

  /** The first of those after a sequence, of one account or of all; nothing where some of them are not here any more. */
  after(sequence: number, userToken?: string): ReadonlyArray<RevisionMessage> | undefined {
    if (sequence < this.below) return undefined
    const slice: Array<RevisionMessage> = []
    let bytes = 0
    for (const revision of this.held) {
      if (revision.sequence <= sequence) continue
      if (userToken !== undefined && revision.userToken !== userToken) continue
      slice.push(revision)
      bytes += revision.text.length
      if (slice.length === sliceRevisionsMax || bytes >= sliceBytesMax) break
    }
    return slice
  }
}
