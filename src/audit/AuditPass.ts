import type { Revision } from "../account/Revision.ts"
import { type CommitHead, headOf, revisionLinesOf, tokenOfLine } from "../protocol/Commit.ts"
import { readRevision } from "../protocol/RevisionCodec.ts"
import { decodeSegment } from "../protocol/SegmentCodec.ts"
import { commitPrefix, decodeToken, encodeToken, journalPrefix } from "../protocol/Subject.ts"
import { AccountAudit, type AuditTables, type SuspectedDouble } from "./AccountAudit.ts"
import { AuditedIds } from "./AuditedIds.ts"
import { type AuditedUsers, type AuditSlice, isInSlice, narrowed, partitionOfUser } from "./AuditedUsers.ts"
import { AuditFindings, findingsListedMax } from "./AuditFindings.ts"
import { ChainAudit } from "./ChainAudit.ts"
import type { HeadsAudit } from "./HeadsAudit.ts"
import { InputAudit, type LostRequest, type StreamRecord } from "./InputAudit.ts"
import { readSegmentOf } from "./SegmentAudit.ts"

/** The fewest characters of an entry in a commit, by which the room for a commit's ids is estimated. */
const entryLengthMin = 32
/** The longest part of a broken record that a finding shows. */
const shownLengthMax = 120

const segmentPrefix = `${journalPrefix}segment.`
const rejectedPrefix = `${journalPrefix}rejected.`
const segmentStart = '{"v":2,"kind":"segment","user":"'

/** The state of the ledger at the beginning of an audit. The audit says what held then. */
export interface AuditEnds {
  /** The last sequence of the journal. */
  readonly journalThrough: number
  /** The last sequence of the input log, read after the last sequence of the journal. */
  readonly inputThrough: number
  /** The position of each partition, read before the last sequence of the journal. */
  readonly positions: ReadonlyArray<number>
}

/** The tables need more memory than the audit may use, although the slice has only one user number. */
export class SliceTooLarge extends Error {
  readonly bytes: number
  constructor(bytes: number) {
    super(`the tables of one user need ${bytes} bytes`)
    this.bytes = bytes
  }
}

/** The options of a pass. */
export interface PassOptions {
  /** About the most bytes that the tables may take. */
  readonly bytesMax: number
  /** Whether the pass adds the findings that do not depend on the followed users. */
  readonly isFirst: boolean
}

/** Returns the id of a user for people, from a token that may be malformed. */
const userNameOf = (userToken: string): string => {
  try {
    return decodeToken(userToken)
  } catch {
    return userToken.slice(0, shownLengthMax)
  }
}

const isToken = (token: string): boolean => token !== "" && encodeToken(userNameOf(token)) === token

const attempted = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

/**
 * Recomputes the accounts of a slice of the users in one pass over the input log and the journal. If the tables would
 * need more than `bytesMax`, the pass forgets the half of its users. A later pass follows these users.
 */
export class AuditPass {
  readonly findings = new AuditFindings()
  readonly doubles: Array<SuspectedDouble> = []
  /** The first requests that were passed without a trace, and the number of all. */
  readonly lost: Array<LostRequest> = []
  lostCount = 0
  slice: AuditSlice
  private readonly users: AuditedUsers
  private readonly ends: AuditEnds
  private readonly options: PassOptions
  private readonly tables: AuditTables
  private readonly ids = new AuditedIds()
  private readonly input: InputAudit
  private readonly accounts = new Map<string, AccountAudit>()
  private readonly chains = new Map<number, ChainAudit>()
  private readonly heads: Map<number, HeadsAudit>
  /** The commits that cannot be read, with their partitions. */
  private readonly unreadable = new Map<number, number>()
  private readThrough = 0
  private accountBytes = 0

  constructor(
    users: AuditedUsers,
    ends: AuditEnds,
    heads: ReadonlyMap<number, HeadsAudit>,
    slice: AuditSlice,
    options: PassOptions
  ) {
    this.users = users
    this.ends = ends
    this.heads = new Map(heads)
    this.slice = slice
    this.options = options
    this.input = new InputAudit(users, ends.positions)
    this.tables = {
      users,
      ids: this.ids,
      requests: this.input.requests,
      findings: this.findings,
      doubles: this.doubles,
      inputThrough: ends.inputThrough,
      hasRequests: (partition, inputSequence) => this.input.hasRequests(partition, inputSequence),
      isUnreadable: (sequence) => this.unreadable.has(sequence)
    }
  }

  /** The sequence of the first message of the input log that was read; `undefined` if no message was read. */
  get inputFrom(): number | undefined {
    return this.input.requests.first
  }

  /** Returns whether some commits of a partition cannot be read. */
  hasUnreadable(partition: number): boolean {
    return [...this.unreadable.values()].includes(partition)
  }

  /** Takes the next message of the input log. Throws `SliceTooLarge`. */
  takeInput(message: StreamRecord): void {
    this.makeRoom(() => this.bytesWith(0, message.payload.length))
    this.input.take(this.slice, message)
  }

  /** Takes the next message of the journal. Throws `SliceTooLarge`. */
  takeJournal({ subject, sequence, payload }: StreamRecord): void {
    if (sequence <= this.ends.journalThrough) this.checkGap(sequence)
    this.readThrough = sequence
    if (subject.startsWith(commitPrefix)) {
      this.makeRoom(() => this.bytesWith(payload.length, 0))
      this.takeCommit(Number(subject.slice(commitPrefix.length)), sequence, textOf(payload))
    } else if (sequence > this.ends.journalThrough) return
    else if (subject.startsWith(segmentPrefix)) {
      this.takeSegment(Number(subject.slice(segmentPrefix.length)), sequence, textOf(payload))
    } else if (subject.startsWith(rejectedPrefix)) {
      const [inputSequence, index] = subject.slice(rejectedPrefix.length).split(".").map(Number)
      this.input.takeRejected(inputSequence as number, index as number)
    }
  }

  /**
   * Ends the pass: finds requests without a trace, and compares the heads. Returns the numbers of audited accounts,
   * purchases and reversals.
   */
  end() {
    const ofUnreadable = new Map<number, number>()
    this.input.forEachLost(this.ids, (request) => {
      const { partition } = request
      if (this.hasUnreadable(partition)) return ofUnreadable.set(partition, (ofUnreadable.get(partition) ?? 0) + 1)
      this.lostCount += 1
      return this.lost.length < findingsListedMax && this.lost.push(request)
    })
    for (const [partition, count] of ofUnreadable) {
      const problem = `${count} requests have no entry and no rejected record; some commits cannot be read`
      this.findings.add(`partition ${partition}`, problem)
    }
    const audited = { accounts: 0, purchases: 0, reversals: 0 }
    for (const account of this.accounts.values()) {
      const { user, userToken } = account
      this.heads.get(partitionOfUser(user))?.check(account, userNameOf(userToken), this.findings, this.unreadable)
      if (account.isEmpty) continue
      audited.accounts += 1
      audited.purchases += account.purchases
      audited.reversals += account.reversals
    }
    return audited
  }

  private bytesWith(commitLength: number, messageLength: number): number {
    let heads = 0
    for (const { bytes } of this.heads.values()) heads += bytes
    const ids = this.ids.bytesWith(Math.ceil(commitLength / entryLengthMin))
    return heads + ids + this.input.bytesWith(messageLength) + this.accountBytes
  }

  /** Forgets users until the tables have room. */
  private makeRoom(bytes: () => number): void {
    while (bytes() > this.options.bytesMax) {
      const slice = narrowed(this.slice)
      if (slice === undefined) throw new SliceTooLarge(bytes())
      this.slice = slice
      const isKept = (user: number) => user < slice.to
      for (const [userToken, { user, bytes: ofAccount }] of this.accounts) {
        if (isKept(user)) continue
        this.accounts.delete(userToken)
        this.accountBytes -= ofAccount
      }
      this.ids.retain(isKept)
      this.input.retain(slice)
      for (const partition of this.heads.keys()) {
        if (partition > partitionOfUser(slice.to - 1)) this.heads.delete(partition)
      }
    }
  }

  private checkGap(sequence: number): void {
    if (!this.options.isFirst || sequence === this.readThrough + 1) return
    const from = this.readThrough + 1
    const place = from === sequence - 1 ? `journal ${from}` : `journal ${from} to ${sequence - 1}`
    this.findings.add(place, "messages are missing")
  }

  /** Adds a finding that does not depend on the followed users. */
  private report(place: string, problem: string): void {
    if (this.options.isFirst) this.findings.add(place, problem)
  }

  private takeCommit(partition: number, sequence: number, text: string): void {
    if (sequence > this.ends.journalThrough) return this.takeHeads(partition, sequence, text)
    const head = attempted(() => headOf(text))
    const place = `partition ${partition}, commit ${sequence}`
    if (head === undefined) {
      this.unreadable.set(sequence, partition)
      return this.report(place, "the commit cannot be read")
    }
    const lines = revisionLinesOf(text)
    this.takeHead(partition, head, lines, sequence, place)
    if (!text.endsWith("\n")) this.report(place, "the commit breaks off")
    for (const [index, line] of lines.entries()) this.takeLine(partition, sequence, line, `${place}, line ${index + 1}`)
  }

  private takeHead(
    partition: number,
    head: CommitHead,
    lines: ReadonlyArray<string>,
    sequence: number,
    place: string
  ): void {
    if (!this.options.isFirst) return
    let chain = this.chains.get(partition)
    if (chain === undefined) this.chains.set(partition, (chain = new ChainAudit()))
    chain.take(head, lines, sequence, this.ends.inputThrough, (problem) => this.findings.add(place, problem))
  }

  /** Takes the heads of a commit behind the end of the audit. */
  private takeHeads(partition: number, sequence: number, text: string): void {
    if (sequence > (this.heads.get(partition)?.through ?? 0)) return
    for (const line of revisionLinesOf(text)) {
      const userToken = tokenOfLine(line)
      const account = isToken(userToken) ? this.accountOf(userToken) : undefined
      if (account !== undefined) account.head = sequence
    }
  }

  private takeLine(partition: number, sequence: number, line: string, place: string): void {
    const userToken = tokenOfLine(line)
    const isKnown = this.accounts.has(userToken)
    if (!isKnown && !isToken(userToken)) return this.report(place, "the revision cannot be read")
    const account = this.accountOf(userToken)
    if (account === undefined) return
    const before = account.bytes
    const isHead = sequence <= (this.heads.get(partition)?.through ?? 0)
    if (isHead) account.head = sequence
    const owner = partitionOfUser(account.user)
    const name = userNameOf(userToken)
    const user = `commit ${sequence}, user ${name}`
    if (owner !== partition) this.findings.add(user, `the user belongs to partition ${owner}, not ${partition}`)
    const revision = attempted((): Revision => readRevision(line))
    if (revision === undefined) {
      this.findings.add(user, "the revision cannot be read")
      account.skip(sequence)
    } else account.take(this.tables, revision, sequence)
    this.accountBytes += account.bytes - before
  }

  /** Returns the account of a user; `undefined` if the pass does not follow the user. */
  private accountOf(userToken: string): AccountAudit | undefined {
    const known = this.accounts.get(userToken)
    if (known !== undefined) return known
    const user = this.users.numberOf(userToken)
    if (!isInSlice(this.slice, user)) return undefined
    // The token is copied, because a part of a commit's text would keep the whole text in memory.
    const copied = Buffer.from(userToken).toString()
    const account = new AccountAudit(copied, user, userNameOf(copied))
    this.accounts.set(copied, account)
    this.accountBytes += account.bytes
    return account
  }

  private takeSegment(partition: number, sequence: number, text: string): void {
    // A segment that cannot be read is found when a revision names it. Segments that no revision names are harmless.
    const userToken = text.startsWith(segmentStart)
      ? text.slice(segmentStart.length, text.indexOf('"', segmentStart.length))
      : ""
    const account = this.accounts.get(userToken)
    const segment = account && attempted(() => decodeSegment(text))
    if (account === undefined || segment === undefined) return
    const before = account.bytes
    account.takeSegment(readSegmentOf(this.users, segment, sequence, partition))
    this.accountBytes += account.bytes - before
  }
}

const textOf = (payload: Uint8Array): string =>
  Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString()
