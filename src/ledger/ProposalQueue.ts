import type { InputMessage } from "./InputProgress.ts"

/** A commit takes no further revision with so many bytes, or so many revisions. A revision that is larger goes alone. */
export const commitBytesMax = 128 * 1024
export const commitRevisionsMax = 1_000

/** What an actor, or the partition itself, wants to have in the next commit. */
export interface RevisionProposal<Tag> {
  readonly userToken: string
  /** The messages of which this finishes one part each. */
  readonly parts: ReadonlyArray<InputMessage<Tag>>
  /**
   * Returns the line of the revision; `undefined` if the input was decided before and only its position is to advance. It
   * is called once, when a commit is made: a line that was written earlier would only wait in memory.
   */
  readonly line: () => string | undefined
  /** Called once with the sequence of the commit when it is durable; never if the commit fails. */
  readonly committed: (sequence: number) => void
}

/** What one commit takes from the queue. */
export interface ProposedCommit<Tag> {
  readonly proposals: ReadonlyArray<RevisionProposal<Tag>>
  /** The lines of the proposals that have one. */
  readonly lines: ReadonlyArray<string>
  /** The users of these lines, in the same order. */
  readonly userTokens: ReadonlyArray<string>
}

/** The proposals that wait for a commit, the oldest first. */
export class ProposalQueue<Tag> {
  private readonly waiting: Array<RevisionProposal<Tag>> = []
  /** The line of the oldest, if it was written and found no room. */
  private written: string | undefined

  get isEmpty(): boolean {
    return this.waiting.length === 0
  }

  add(proposal: RevisionProposal<Tag>): void {
    this.waiting.push(proposal)
  }

  /** Takes as many as one commit holds, at least one. */
  takeCommit(): ProposedCommit<Tag> {
    const lines: Array<string> = []
    const userTokens: Array<string> = []
    let bytes = 0
    let taken = 0
    for (const proposal of this.waiting) {
      const line = this.written ?? proposal.line()
      this.written = undefined
      if (line !== undefined) {
        const size = Buffer.byteLength(line) + 1
        if (lines.length > 0 && (bytes + size > commitBytesMax || lines.length === commitRevisionsMax)) {
          this.written = line
          break
        }
        bytes += size
        lines.push(line)
        userTokens.push(proposal.userToken)
      }
      taken += 1
    }
    return { proposals: this.waiting.splice(0, taken), lines, userTokens }
  }
}
