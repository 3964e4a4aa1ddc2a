import type { CommitHead } from "../protocol/Commit.ts"
import { commitBytesMax, commitRevisionsMax } from "../ledger/ProposalQueue.ts"

/** Compares the commits of one partition with the commits before them. */
export class ChainAudit {
  private epoch = 0
  private position = 0

  /**
   * Takes the next commit of the partition. Calls `wrong` with each rule that the commit breaks. `lines` are the lines
   * of its revisions, and `inputThrough` is the last sequence of the input log.
   */
  take(
    { kind, epoch, position }: CommitHead,
    lines: ReadonlyArray<string>,
    sequence: number,
    inputThrough: number,
    wrong: (problem: string) => void
  ): void {
    if (kind === "takeover") {
      if (epoch !== 0 || lines.length > 0) wrong("the take-over record has an epoch or revisions")
      if (position !== this.position) wrong(`the take-over begins at position ${position}, not at ${this.position}`)
      this.epoch = sequence
    } else if (epoch !== this.epoch) {
      wrong(`the commit is of epoch ${epoch}, and the newest take-over record is ${this.epoch}`)
    }
    if (kind === "commit" && position < this.position) {
      wrong(`the position goes back from ${this.position} to ${position}`)
    }
    if (position > inputThrough)
      wrong(`the position ${position} is beyond the input log, which ends at ${inputThrough}`)
    if (lines.length > commitRevisionsMax) wrong(`the commit has ${lines.length} revisions`)
    if (lines.length > 1) {
      const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0)
      if (bytes > commitBytesMax) wrong(`the revisions of the commit have ${bytes} bytes`)
    }
    this.position = position
  }
}
