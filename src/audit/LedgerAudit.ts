import { Effect, Schema } from "effect"
import type { PulledMessage } from "../nats/JournalPull.ts"
import { Topology } from "../nats/Topology.ts"
import { AuditedUsers, type AuditSlice, partitionsOfSlice, wholeSlice } from "./AuditedUsers.ts"
import { AuditFindings, type Finding } from "./AuditFindings.ts"
import { AuditPass, SliceTooLarge } from "./AuditPass.ts"
import { type LedgerEnds, readEnds, readHeads, type ReadHeads } from "./LedgerEnds.ts"
import { confirmDoubles, nameLost } from "./SecondLook.ts"
import { type ReadPart, readStream } from "./StreamReading.ts"

/** The most attempts of one pass. Each attempt has another key of the hash of ids. */
const keysMax = 5

const mebibyte = 1024 * 1024

/** The tables of one user need more memory than the audit may use. */
export class MemoryTooSmall extends Schema.TaggedError<MemoryTooSmall>()("MemoryTooSmall", {
  bytes: Schema.Number
}) {
  override get message() {
    return `The tables of one user need ${Math.ceil(this.bytes / mebibyte)} MiB. Give the audit more with --memory.`
  }
}

/** The progress of an audit. */
export interface AuditProgress {
  /** The number of the pass, from 1. */
  readonly pass: number
  readonly stream: ReadPart["stream"]
  readonly done: number
  readonly through: number
}

export interface AuditOptions {
  /** About the most bytes that the tables of the audit may take. */
  readonly bytesMax: number
  readonly progress: (progress: AuditProgress) => void
}

/** The result of an audit. */
export interface AuditReport {
  /** The first findings. */
  readonly findings: ReadonlyArray<Finding>
  /** The number of all findings. */
  readonly findingCount: number
  readonly accounts: number
  readonly purchases: number
  readonly reversals: number
  /** The sequence of the journal up to which the accounts were recomputed. */
  readonly journalThrough: number
  /** The sequence of the first message of the input log that was compared, and of the last message; 0 without one. */
  readonly inputFrom: number
  readonly inputThrough: number
  /** The number of passes over the journal. */
  readonly passes: number
}

/** The parts of an audit that all passes share. */
interface AuditPlan {
  readonly ends: LedgerEnds
  readonly partitions: number
  readonly options: AuditOptions
}

/** The counts of a partition's heads in one pass. */
interface CountedHeads {
  readonly manifestAt: number
  readonly size: number
  /** The number of heads that belong to users of the pass. */
  readonly known: number
}

/** The result of one pass. The tables of the pass are not kept. */
interface EndedPass {
  readonly slice: AuditSlice
  readonly audited: ReturnType<AuditPass["end"]>
  readonly inputFrom: number | undefined
  /** The heads of each partition of the slice, without those that cannot be compared. */
  readonly heads: ReadonlyMap<number, CountedHeads>
  readonly findings: AuditFindings
}

const newKey = (): Uint32Array => crypto.getRandomValues(new Uint32Array(4))

/** Reads the heads, the input log and the journal once for the users of a slice, with a new key of the hash. */
const runPass = Effect.fnUntraced(function* (plan: AuditPlan, slice: AuditSlice, number: number) {
  const { ends, partitions, options } = plan
  const findings = new AuditFindings()
  const heads = yield* readHeads(partitionsOfSlice(slice), findings)
  const compared = new Map(Array.from(heads, ([partition, read]) => [partition, read.heads]))
  const users = new AuditedUsers(partitions, newKey())
  const pass = new AuditPass(users, ends, compared, slice, { bytesMax: options.bytesMax, isFirst: number === 1 })
  const read = (part: ReadPart, take: (message: PulledMessage) => void) =>
    readStream(part, (message) => {
      take(message)
      const { stream, through } = part
      options.progress({ pass: number, stream, done: message.sequence, through })
    })
  const { inputFirst, inputThrough, journalThrough } = ends
  // The first sequence of an input log that never had a message is 0.
  const after = Math.max(0, inputFirst - 1)
  yield* read({ stream: "input", after, through: inputThrough }, (one) => pass.takeInput(one))
  const through = Math.max(journalThrough, ...Array.from(compared.values(), (one) => one.through))
  yield* read({ stream: "journal", after: 0, through }, (one) => pass.takeJournal(one))
  const audited = pass.end()
  findings.addAll(pass.findings)
  return { pass, audited, heads, findings }
})

const countedHeads = (pass: AuditPass, heads: ReadonlyMap<number, ReadHeads>): Map<number, CountedHeads> => {
  const counted = new Map<number, CountedHeads>()
  for (const partition of partitionsOfSlice(pass.slice)) {
    const read = heads.get(partition)
    // A user whose only revision is in a commit that cannot be read is not known, and has a head.
    if (read === undefined || pass.hasUnreadable(partition)) continue
    counted.set(partition, { manifestAt: read.manifestAt, size: read.heads.size, known: read.heads.known })
  }
  return counted
}

/** Runs a pass. Runs it again with another key as long as two different ids have equal hashes. */
const confirmedPass = Effect.fnUntraced(function* (plan: AuditPlan, slice: AuditSlice, number: number) {
  for (let attempt = 1; ; attempt += 1) {
    const { pass, audited, heads, findings } = yield* runPass(plan, slice, number)
    const isConfirmed = yield* confirmDoubles(pass.doubles, findings)
    if (!isConfirmed && attempt < keysMax) continue
    yield* nameLost(pass, findings)
    const { inputFrom } = pass
    return { slice: pass.slice, audited, inputFrom, heads: countedHeads(pass, heads), findings } satisfies EndedPass
  }
})

/** Finds heads that belong to no user. The passes of a partition are compared only if they read the same manifest. */
const checkUnknownHeads = (passes: ReadonlyArray<EndedPass>, partitions: number, findings: AuditFindings): void => {
  for (let partition = 0; partition < partitions; partition += 1) {
    const ofPartition = passes.filter(({ slice }) => partitionsOfSlice(slice).includes(partition))
    const [first, ...further] = ofPartition.map(({ heads }) => heads.get(partition))
    if (first === undefined || further.some((read) => read?.manifestAt !== first.manifestAt)) continue
    const known = ofPartition.reduce((sum, { heads }) => sum + (heads.get(partition)?.known ?? 0), 0)
    if (known === first.size) continue
    const problem = `${first.size - known} heads belong to no user who has a revision`
    findings.add(`heads of partition ${partition}`, problem)
  }
}

const reportOf = (passes: ReadonlyArray<EndedPass>, { ends, partitions }: Omit<AuditPlan, "options">): AuditReport => {
  const findings = new AuditFindings()
  for (const ended of passes) findings.addAll(ended.findings)
  checkUnknownHeads(passes, partitions, findings)
  const sum = (name: "accounts" | "purchases" | "reversals") =>
    passes.reduce((total, { audited }) => total + audited[name], 0)
  return {
    findings: findings.listed,
    findingCount: findings.count,
    accounts: sum("accounts"),
    purchases: sum("purchases"),
    reversals: sum("reversals"),
    journalThrough: ends.journalThrough,
    inputFrom: passes[0]?.inputFrom ?? 0,
    inputThrough: ends.inputThrough,
    passes: passes.length
  }
}

/**
 * Recomputes every account from the journal, and compares the accounts with their revisions, segments and heads, and
 * with the input log. Writes nothing. The audit says what held when it began, and the system may go on meanwhile.
 * Fails with `MemoryTooSmall` if the tables of one user need more than `bytesMax`.
 */
export const auditLedger = Effect.fnUntraced(function* (options: AuditOptions) {
  const { partitions } = yield* Topology
  const ends = yield* readEnds
  const plan = { ends, partitions, options }
  const whole = wholeSlice(partitions)
  const passes: Array<EndedPass> = []
  for (let slice = whole; slice.from < whole.to;) {
    const ended = yield* confirmedPass(plan, slice, passes.length + 1).pipe(
      Effect.catchDefect((defect) =>
        defect instanceof SliceTooLarge ? Effect.fail(new MemoryTooSmall({ bytes: defect.bytes })) : Effect.die(defect)
      )
    )
    passes.push(ended)
    const { from, to } = ended.slice
    slice = { from: to, to: Math.min(whole.to, to + (to - from)) }
  }
  return reportOf(passes, plan)
})
