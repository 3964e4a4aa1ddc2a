import type { InputMessage } from "./InputProgress.ts"

/** The most bytes of the revisions of a commit. A larger revision gets a commit of its own. */
export const commitBytesMax = 128 * 1024
/** The most revisions of a commit. */
export const commitRevisionsMax = 1_000

/**
 * A revision that an actor proposes for the next commit. A proposal may have no revision: such a proposal only finishes
 * parts of messages, so that the position can advance.
 */
export interface RevisionProposal<Tag> {
  readonly userToken: string
  /**
   * The messages with the purchases of the proposal. The commit of the proposal finishes one part of each message in
   * `parts`.
   */
  readonly parts: ReadonlyArray<InputMessage<Tag>>
  /** The number of the proposal's purchases and reversals, also of those that are refused or unreadable. */
  readonly purchases: number
  /**
   * Returns the line of the revision. Returns `undefined` if the proposal has no revision, and only advances the
   * position. The chain writer calls `line` once, when it makes the commit, because a line that is made earlier only
   * takes memory.
   */
  readonly line: () => string | undefined
  /**
   * Called once with the sequence of the commit, when the commit is durable. `committed` is not called if the commit
   * fails.
   */
  readonly committed: (sequence: number) => void
}

/** Returns a proposal that has no revision, and only finishes parts of messages. */
export const proposalWithoutRevision = <Tag>({
  parts,
  purchases,
  committed
}: Pick<RevisionProposal<Tag>, "parts" | "purchases" | "committed">): RevisionProposal<Tag> => ({
  userToken: "",
  parts,
  purchases,
  line: () => undefined,
  committed
})

/** The proposals of one commit. */
export interface ProposedCommit<Tag> {
  readonly proposals: ReadonlyArray<RevisionProposal<Tag>>
  /** The lines of the proposals that have a revision to write. */
  readonly lines: ReadonlyArray<string>
  /** The users of the lines in `lines`, in the same order. */
  readonly userTokens: ReadonlyArray<string>
}

/** The proposals that wait for a commit, oldest first. */
export class ProposalQueue<Tag> {
  private readonly waiting: Array<RevisionProposal<Tag>> = []
  /**
   * The line of the oldest proposal, if the line was made for the last commit, and did not fit into the last commit.
   */
  private written: string | undefined

  get isEmpty(): boolean {
    return this.waiting.length === 0
  }

  add(proposal: RevisionProposal<Tag>): void {
    this.waiting.push(proposal)
  }

  /**
   * Removes from the queue the proposals of the next commit: as many proposals as fit into a commit, and at least one.
   */
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
