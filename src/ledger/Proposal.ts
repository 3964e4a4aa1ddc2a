import type { Write } from "../nats/LedgerBucket.ts"
import type { InputMessage, InputProgress } from "./InputProgress.ts"

/** The partition epoch under whose guard a proposal is committed. */
export interface CommitEpoch<Tag> {
  readonly partition: number
  /** The revision of `owner.<partition>` that this epoch began with. */
  readonly epoch: number
  readonly progress: InputProgress<Tag>
  readonly isOpen: () => boolean
  /** These messages are committed wholly. */
  readonly committed: (messages: ReadonlyArray<InputMessage<Tag>>) => void
  /** A commit of this epoch failed: what is in hand is void, a new epoch has to begin. */
  readonly failed: (reason: string) => void
}

/** What one actor, or a partition itself, wants to have written. */
export interface Proposal<Tag> {
  readonly epoch: CommitEpoch<Tag>
  readonly writes: ReadonlyArray<Write>
  /** The messages of which this finishes one part each. */
  readonly parts: ReadonlyArray<InputMessage<Tag>>
  /** Called once, when it is committed; never when the commit fails. `sequence` is that of the last write. */
  readonly committed: (sequence: number) => void
}
