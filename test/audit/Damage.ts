import { headEntryBytes } from "../../src/ledger/HeadTable.ts"
import { decodeManifest } from "../../src/protocol/HeadManifest.ts"
import { commitPrefix, journalPrefix } from "../../src/protocol/Subject.ts"
import type { CopiedMessage, LedgerCopy } from "./LedgerCopy.ts"

// oxlint-disable-next-line typescript/no-explicit-any -- a damage writes what no type allows
type Value = any

const textOf = (message: CopiedMessage | undefined): string => message?.payload.toString() ?? ""

/** Returns the sequence of the first message of the journal with a subject and a text. */
export const sequenceOf = ({ journal }: LedgerCopy, key: string, text: string): number => {
  const index = journal.findIndex(
    (message) => message?.subject.startsWith(journalPrefix + key) === true && textOf(message).includes(text)
  )
  if (index < 0) throw new Error(`the journal has no ${key} with ${text}`)
  return index + 1
}

/** Returns a copy whose message of the journal at a sequence is changed. */
export const withMessage = (
  copy: LedgerCopy,
  sequence: number,
  change: (message: CopiedMessage) => Partial<CopiedMessage>
): LedgerCopy => ({
  ...copy,
  journal: copy.journal.map((message, index) =>
    index + 1 === sequence && message !== undefined ? { ...message, ...change(message) } : message
  )
})

/** Returns a copy whose text of the message of the journal at a sequence is changed. */
export const withText = (copy: LedgerCopy, sequence: number, change: (text: string) => string): LedgerCopy =>
  withMessage(copy, sequence, (message) => ({ payload: Buffer.from(change(textOf(message))) }))

/** Returns a copy whose segment at a sequence is changed. */
export const withSegment = (copy: LedgerCopy, sequence: number, change: (segment: Value) => void): LedgerCopy =>
  withText(copy, sequence, (text) => {
    const segment = JSON.parse(text) as Value
    change(segment)
    return JSON.stringify(segment)
  })

/** Returns a copy in which the head of a commit is changed. */
export const withHead = (copy: LedgerCopy, sequence: number, change: (head: Value) => void): LedgerCopy =>
  withText(copy, sequence, (text) => {
    const [first = "", ...lines] = text.split("\n")
    const head = JSON.parse(first) as Value
    change(head)
    return [JSON.stringify(head), ...lines].join("\n")
  })

/** The parts of a revision, by their names. */
export interface RevisionParts {
  total: bigint
  count: number
  decidedThrough: number
  entries: Array<Value>
  repeats: Array<Value>
  previous: Array<number>
  unsealed: number
  segment: number
  reversals: number | undefined
}

/** Returns a copy in which the revision of a user in a commit is changed. */
export const withRevision = (
  copy: LedgerCopy,
  sequence: number,
  user: string,
  change: (revision: RevisionParts) => void
): LedgerCopy =>
  withText(copy, sequence, (text) =>
    text
      .split("\n")
      .map((line) => {
        if (!line.startsWith(`["${user}",`)) return line
        const [token, total, count, decidedThrough, entries, repeats, previous, unsealed, segment, reversals] =
          JSON.parse(line) as Value
        const parts = { count, decidedThrough, entries, repeats, previous, unsealed, segment, reversals }
        const revision: RevisionParts = { total: BigInt(total), ...parts }
        change(revision)
        const numbers = [revision.count, revision.decidedThrough, revision.entries, revision.repeats]
        const rest = [revision.previous, revision.unsealed, revision.segment]
        const tenth = revision.reversals === undefined ? [] : [revision.reversals]
        return JSON.stringify([token, String(revision.total), ...numbers, ...rest, ...tenth])
      })
      .join("\n")
  )

/** Returns the newest manifest of a partition, with its sequence in the stream of heads. */
const manifestOf = ({ heads }: LedgerCopy, partition: number) => {
  const at = heads.findLastIndex((message) => message?.subject === `$KV.heads.${partition}.manifest`)
  return decodeManifest(textOf(heads[at]))
}

/** Returns a copy in which each chunk of a partition's heads is changed. */
export const withChunks = (copy: LedgerCopy, partition: number, change: (chunk: Buffer) => Buffer): LedgerCopy => {
  const { base, hints } = manifestOf(copy, partition)
  return {
    ...copy,
    heads: copy.heads.map((message, index) =>
      message !== undefined && [...base, ...hints].includes(index + 1)
        ? { ...message, payload: change(Buffer.from(message.payload)) }
        : message
    )
  }
}

/** Returns a copy in which the newest manifest of a partition is changed. */
export const withManifest = (copy: LedgerCopy, partition: number, change: (text: string) => string): LedgerCopy => ({
  ...copy,
  heads: copy.heads.map((message) =>
    message?.subject === `$KV.heads.${partition}.manifest`
      ? { ...message, payload: Buffer.from(change(textOf(message))) }
      : message
  )
})

/** Gives each entry of a chunk a sequence. */
export const withSequences =
  (sequence: number) =>
  (chunk: Buffer): Buffer => {
    for (let at = 16; at < chunk.length; at += headEntryBytes) chunk.writeDoubleLE(sequence, at)
    return chunk
  }

/** Returns a copy without the heads of a partition. */
export const withoutHeads = (copy: LedgerCopy, partition: number): LedgerCopy => ({
  ...copy,
  heads: copy.heads.map((message) => (message?.subject === `$KV.heads.${partition}.manifest` ? undefined : message))
})

/** Returns the subject of the commits of a partition. */
export const commitKey = (partition: number): string => commitPrefix + partition
