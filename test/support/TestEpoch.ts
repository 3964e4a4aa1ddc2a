import { type InputMessage, InputProgress } from "../../src/ledger/InputProgress.ts"
import type { CommitEpoch, Proposal } from "../../src/ledger/Proposal.ts"
import type { Write } from "../../src/nats/LedgerBucket.ts"

/** A partition epoch that only remembers what the journal told it. */
export class TestEpoch implements CommitEpoch<number> {
  readonly partition: number
  readonly epoch: number
  readonly progress = new InputProgress<number>(0)
  readonly committedSequences: Array<number> = []
  readonly failures: Array<string> = []
  /** The keys of proposals in the order in which they were told to be committed, with the sequence. */
  readonly told: Array<readonly [string, number]> = []
  private sequence = 0

  constructor(partition: number, epoch: number) {
    this.partition = partition
    this.epoch = epoch
  }

  readonly isOpen = () => this.failures.length === 0
  readonly committed = (messages: ReadonlyArray<InputMessage<number>>) => {
    this.committedSequences.push(...messages.map(({ sequence }) => sequence))
  }
  readonly failed = (reason: string) => void this.failures.push(reason)

  /** The next message of the input log, in as many parts. */
  receive(parts = 1): InputMessage<number> {
    this.sequence += 1
    return this.progress.receive(this.sequence, parts, this.sequence)
  }

  propose(message: InputMessage<number>, writes: ReadonlyArray<Write>): Proposal<unknown> {
    const proposal: Proposal<number> = {
      epoch: this,
      writes,
      parts: [message],
      committed: (sequence) => void this.told.push([writes.at(-1)?.key ?? "", sequence])
    }
    return proposal as unknown as Proposal<unknown>
  }
}

export const write = (key: string, bytes = 10): Write => ({ key, value: "x".repeat(bytes), expected: 0 })

export const writes = (prefix: string, count: number, bytes?: number): ReadonlyArray<Write> =>
  Array.from({ length: count }, (_, index) => write(`${prefix}.${index}`, bytes))
