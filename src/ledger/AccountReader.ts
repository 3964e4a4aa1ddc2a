import { Context, Effect, Layer, Schema } from "effect"
import {
  type Account,
  emptyAccount,
  evolve,
  sealedPartOf,
  type SealedPart,
  type StoredRevision,
  takeSealedParts,
  takeSegment,
  takeStoredThrough
} from "../account/Account.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { revisionLineOf } from "../protocol/Commit.ts"
import type { AppliedPurchase, Revision } from "../account/Revision.ts"
import { readRevision } from "../protocol/RevisionCodec.ts"
import { linksAfter } from "../account/Segment.ts"
import { decodeSegment } from "../protocol/SegmentCodec.ts"
import { CommitChain, type JournalRecord } from "../nats/CommitChain.ts"

/**
 * The failure if the journal lacks a named record, if a record is malformed, or if an account has more or fewer ids
 * than entries. Workers never write contradictory records, so another program changed the journal.
 */
export class LedgerInconsistent extends Schema.TaggedError<LedgerInconsistent>()("LedgerInconsistent", {
  problem: Schema.String,
  /**
   * Whether the journal lacks a record. A broker that has just stopped being the leader may lack a record that the next
   * leader has.
   */
  isMissing: Schema.optionalKey(Schema.Boolean)
}) {
  override get message() {
    return this.problem
  }
}

/** A revision that was read from the journal. */
export interface ReadRevision extends StoredRevision {
  /** When the broker stored the commit of the revision, in milliseconds since 1970. */
  readonly storedAt: number
}

type Chain = (typeof CommitChain)["Service"]

const inconsistent = (userToken: string, problem: string) =>
  Effect.fail(new LedgerInconsistent({ problem: `account ${userToken}: ${problem}` }))

const missing = (userToken: string, what: string) =>
  Effect.fail(new LedgerInconsistent({ problem: `account ${userToken}: ${what} is missing`, isMissing: true }))

/**
 * Decodes a revision of the commit at a sequence. Throws if the line is not a revision, or if the revision names a
 * revision that is not earlier. If revisions could name later revisions, a reader that follows the names might never
 * end.
 */
const revisionOfLine = (line: string, sequence: number): Revision => {
  const revision = readRevision(line)
  if (revision.previous.some((earlier) => earlier >= sequence))
    throw new Error("it names a revision that is not earlier")
  return revision
}

/**
 * Returns the revision of a user in a commit. Returns `undefined` if the commit has no revision of the user, or if the
 * line of the revision is malformed.
 */
export const readableRevisionIn = (commit: JournalRecord, userToken: string): ReadRevision | undefined => {
  const line = revisionLineOf(commit.text, userToken)
  if (line === undefined) return undefined
  const { sequence, storedAt } = commit
  try {
    return { sequence, revision: revisionOfLine(line, sequence), storedAt }
  } catch {
    return undefined
  }
}

/**
 * Returns the revision of a user in a commit; `undefined` if the commit has no revision of the user. Fails with
 * `LedgerInconsistent` if the line of the revision is malformed.
 */
const revisionIn = (
  commit: JournalRecord | undefined,
  userToken: string
): Effect.Effect<ReadRevision | undefined, LedgerInconsistent> => {
  if (commit === undefined) return Effect.undefined
  const found = readableRevisionIn(commit, userToken)
  if (found !== undefined) return Effect.succeed(found)
  return revisionLineOf(commit.text, userToken) === undefined
    ? Effect.undefined
    : inconsistent(userToken, `revision ${commit.sequence} cannot be read`)
}

/**
 * Returns an account, given its newest revision, if that revision is the account's only revision. Returns `undefined`
 * if the account needs further records, or if the revision contradicts itself. A worker reads many accounts that have
 * one revision. One effect for each of them would cost more than the decoding.
 */
export const wholeAccountOf = ({ revision, sequence }: ReadRevision): Account | undefined => {
  const { count, purchases, previous, unsealed, segment } = revision
  const isOnly = unsealed === 1 && segment === 0 && previous.length === 0 && purchases.length === count
  if (!isOnly) return undefined
  const account = emptyAccount()
  account.purchaseIds.expect(count)
  try {
    evolve(account, revision, sequence)
  } catch {
    return undefined
  }
  return account.purchaseIds.size === count ? account : undefined
}

/**
 * Returns the revision of a user at a sequence that another record of the account names. Fails with
 * `LedgerInconsistent` if the revision is missing.
 */
export const namedRevision = (
  { revisionAt }: Pick<(typeof AccountReader)["Service"], "revisionAt">,
  userToken: string,
  sequence: number
): Effect.Effect<ReadRevision, BrokerFailure | LedgerInconsistent> =>
  Effect.flatMap(revisionAt(userToken, sequence), (found) =>
    found === undefined ? missing(userToken, `revision ${sequence}`) : Effect.succeed(found)
  )

/** The most revisions of one account that a worker reads at once to find applied purchases. */
const purchaseReadsAtOnceMax = 16

/**
 * Returns applied purchases by their ids, given the sequences of the commits that applied them. Fails with
 * `LedgerInconsistent` if the journal lacks a revision, or if a revision lacks its purchase.
 */
export const appliedPurchases = Effect.fnUntraced(function* (
  reader: Pick<(typeof AccountReader)["Service"], "revisionAt">,
  userToken: string,
  applied: ReadonlyMap<string, number>
) {
  const purchases = new Map<string, AppliedPurchase>()
  const byRevision = Map.groupBy(applied, ([, sequence]) => sequence)
  const take = Effect.fnUntraced(function* ([sequence, ids]: [number, ReadonlyArray<[string, number]>]) {
    const { revision } = yield* namedRevision(reader, userToken, sequence)
    const contents = new Map(
      revision.purchases.flatMap((entry) => (entry.reversal === undefined ? [[entry.purchaseId, entry] as const] : []))
    )
    for (const [purchaseId] of ids) {
      const purchase = contents.get(purchaseId)
      if (purchase === undefined) {
        return yield* inconsistent(userToken, `revision ${sequence} does not hold purchase ${purchaseId}`)
      }
      purchases.set(purchaseId, purchase)
    }
  })
  yield* Effect.forEach(byRevision, take, { concurrency: purchaseReadsAtOnceMax, discard: true })
  return purchases
})

/**
 * Reads the segment at a sequence. Fails with `LedgerInconsistent` if the segment is missing, belongs to another
 * account, or is malformed.
 */
const namedSegment = (chain: Chain, userToken: string, sequence: number) =>
  Effect.gen(function* () {
    const stored = yield* chain.at(sequence)
    if (stored === undefined) return yield* missing(userToken, `segment ${sequence}`)
    const segment = yield* Effect.try({
      try: () => decodeSegment(stored.text),
      catch: () => new LedgerInconsistent({ problem: `account ${userToken}: segment ${sequence} cannot be read` })
    })
    return segment.userToken === userToken ? segment : yield* missing(userToken, `segment ${sequence}`)
  })

/**
 * Takes into an account the newest segment, and all segments that the newest segment names directly or through other
 * segments.
 */
const takeSegments = Effect.fnUntraced(function* (chain: Chain, userToken: string, account: Account, newest: number) {
  const known = new Set([newest])
  const parts = new Map<number, SealedPart>()
  const take = Effect.fnUntraced(function* (sequence: number) {
    const segment = yield* namedSegment(chain, userToken, sequence)
    takeSegment(account, segment)
    parts.set(sequence, sealedPartOf(segment))
    if (sequence === newest) account.links = linksAfter(segment.links, sequence)
    const named = [...segment.links.before, ...segment.links.directories].filter((other) => !known.has(other))
    for (const other of named) known.add(other)
    return named
  })
  for (let wanted = [newest]; wanted.length > 0;) {
    // `CommitChain` bounds how many records are read at once.
    const named = yield* Effect.forEach(wanted, take, { concurrency: "unbounded" })
    wanted = named.flat()
  }
  account.segment = newest
  const oldestFirst = [...parts].sort(([one], [other]) => one - other)
  takeSealedParts(
    account,
    oldestFirst.map(([, part]) => part)
  )
})

/** Returns the unsealed revisions of an account, oldest first. Each revision names earlier revisions of the account. */
const unsealed = Effect.fnUntraced(function* (
  readNamed: (sequence: number) => Effect.Effect<ReadRevision, BrokerFailure | LedgerInconsistent>,
  userToken: string,
  newest: ReadRevision
) {
  const newestFirst = [newest]
  for (let oldest = newest; newestFirst.length < newest.revision.unsealed;) {
    const wanted = oldest.revision.previous.slice(0, newest.revision.unsealed - newestFirst.length)
    // A revision names at most 20 other revisions.
    const read = yield* Effect.forEach(wanted, readNamed, { concurrency: "unbounded" })
    const last = read.at(-1)
    if (last === undefined) return yield* inconsistent(userToken, "its chain of revisions ends early")
    newestFirst.push(...read)
    oldest = last
  }
  return newestFirst.toReversed()
})

/** Reads accounts from the journal. */
export class AccountReader extends Context.Service<
  AccountReader,
  {
    /**
     * Reads an account with its whole purchaseId set, given the sequence of the account's newest revision, or 0 for a
     * new user. Reads only the newest revision, and the revisions and segments that the newest revision names directly
     * or through other records. Does not read the newest revision if the caller passes it as `stored`.
     */
    readonly load: (
      userToken: string,
      newest: number,
      stored?: ReadRevision
    ) => Effect.Effect<Account, BrokerFailure | LedgerInconsistent>
    /**
     * Returns the revision of an account in the commit at a sequence; `undefined` if the commit has no revision of the
     * account.
     */
    readonly revisionAt: (
      userToken: string,
      sequence: number
    ) => Effect.Effect<ReadRevision | undefined, BrokerFailure | LedgerInconsistent>
  }
>()("purchases/ledger/AccountReader") {
  static readonly layer = Layer.effect(
    AccountReader,
    Effect.map(CommitChain, (chain) => {
      const revisionAt = (userToken: string, sequence: number) =>
        Effect.flatMap(chain.at(sequence), (commit) => revisionIn(commit, userToken))

      const load = Effect.fnUntraced(function* (userToken: string, newest: number, given?: ReadRevision) {
        const account = emptyAccount()
        if (newest === 0) return account
        const readNamed = (sequence: number) => namedRevision({ revisionAt }, userToken, sequence)
        const stored = given ?? (yield* readNamed(newest))
        const { count, segment, unsealed: unsealedRevisions } = stored.revision
        account.purchaseIds.expect(count)
        if (segment > 0) yield* takeSegments(chain, userToken, account, segment)
        const revisions = unsealedRevisions === 1 ? [stored] : yield* unsealed(readNamed, userToken, stored)
        for (const { revision, sequence } of revisions) evolve(account, revision, sequence)
        const lastApplying = account.applying.at(-1)
        if (lastApplying !== undefined && revisions.every(({ revision }) => revision.purchases.length === 0)) {
          takeStoredThrough(account, (yield* readNamed(lastApplying)).revision)
        }
        if (account.purchaseIds.size === account.count) return account
        return yield* inconsistent(userToken, `it has ${account.purchaseIds.size} ids for ${account.count} entries`)
      })

      /**
       * Reads an account. If the records of the account contradict each other, fails with `LedgerInconsistent`, because
       * the fault is in the journal.
       */
      const loadWhole = (userToken: string, newest: number, stored?: ReadRevision) =>
        load(userToken, newest, stored).pipe(
          Effect.catchDefect((defect) => inconsistent(userToken, `its records do not fit together (${String(defect)})`))
        )

      return AccountReader.of({ load: loadWhole, revisionAt })
    })
  )
}
