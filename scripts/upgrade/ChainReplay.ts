import { Effect, Schedule } from "effect"
import { type Account, beginSeal, endSeal, isSealDue, revisionOf } from "../../src/account/Account.ts"
import type { BrokerFailure } from "../../src/protocol/BrokerError.ts"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import { purchaseTotal } from "../../src/account/Purchase.ts"
import type { Revision } from "../../src/account/Revision.ts"
import { encodeRevision } from "../../src/protocol/RevisionCodec.ts"
import { commitBytesMax, commitRevisionsMax } from "../../src/ledger/ProposalQueue.ts"
import { storeSegments } from "../../src/ledger/StoredSegment.ts"
import { takeOver } from "../../src/ledger/Takeover.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import type { CommitConflict } from "../../src/nats/client/ConditionalAppend.ts"
import type { FormerRevision } from "./FormerRevision.ts"
import type { ReplayedAccounts } from "./ReplayedAccounts.ts"
import { refuse } from "./UpgradeFailure.ts"

/** The worker that the records of the upgrade name. */
export const upgradeWorker = "upgrade"

/** The further attempts of a write that the broker did not answer, and the wait before each. */
const triesAgainMax = 60
const waitBeforeAgain = "500 millis"

/** The counts of the written journal. */
export interface Written {
  commits: number
  revisions: number
  purchases: number
  segments: number
}

/** The revisions of one commit that is not written yet. */
interface PendingCommit {
  readonly lines: Array<string>
  readonly revisions: Map<string, Revision>
  bytes: number
}

const nothingPending = (): PendingCommit => ({ lines: [], revisions: new Map(), bytes: 0 })

/**
 * Returns the revision after the newest revision of an account: the content of the former revision, with the sequences
 * of the new layout.
 */
const nextRevision = (account: Account, former: FormerRevision): Revision =>
  revisionOf(account, {
    applied: former.purchases,
    repeats: former.repeats,
    conflicts: [],
    refusals: [],
    fingerprints: [],
    reversals: 0,
    total: former.total,
    decidedThrough: former.decidedThrough
  })

/** Returns whether a former revision follows from the revision before it. */
const follows = (account: Account, former: FormerRevision): boolean =>
  former.count === account.count + former.purchases.length &&
  former.total === former.purchases.reduce((total, purchase) => total + purchaseTotal(purchase), account.total)

/** Tries a write again if the broker did not answer. A refusal of the broker is final. */
const untilAnswered = <A>(write: Effect.Effect<A, BrokerFailure | CommitConflict>) =>
  Effect.retry(write, {
    while: (failure) => failure._tag !== "BrokerRefused",
    schedule: Schedule.spaced(waitBeforeAgain).pipe(Schedule.upTo({ times: triesAgainMax }))
  })

/**
 * Appends a commit, and returns its sequence. If a commit was stored without an answer, finds it as the newest commit.
 */
const appendSurely = (chain: (typeof CommitChain)["Service"], partition: number, commit: string, after: number) =>
  chain.append(partition, commit, after).pipe(
    Effect.catch((failure) =>
      Effect.flatMap(chain.newest(partition), (found) =>
        found !== undefined && found.sequence > after && found.text === commit
          ? Effect.succeed(found.sequence)
          : Effect.fail(failure)
      )
    ),
    untilAnswered
  )

/** Writes the chain of one partition from the revisions of the former layout. */
export interface ChainReplay {
  /** Takes the next revision of any account of the partition. */
  readonly take: (userToken: string, former: FormerRevision) => Effect.Effect<void, { readonly message: string }>
  /**
   * Writes the commit that has a waiting revision of the user. After that commit, writes a segment of all unsealed
   * revisions of the user.
   */
  readonly seal: (userToken: string) => Effect.Effect<void, { readonly message: string }>
  /** Writes the last commit, which has the position of the partition. */
  readonly end: (position: number) => Effect.Effect<void, { readonly message: string }>
}

/**
 * Begins the chain of a partition with a take-over record. The commits before the last commit have position 0, because
 * nobody reads these commits until the upgrade is done.
 */
export const beginReplay = Effect.fnUntraced(function* (
  partition: number,
  accounts: ReplayedAccounts,
  written: Written
) {
  const chain = yield* CommitChain
  const { epoch } = yield* takeOver(partition, upgradeWorker)
  written.commits += 1
  let newest = epoch
  let pending = nothingPending()

  const flush = Effect.fnUntraced(function* (position: number) {
    const { lines, revisions } = pending
    const head = { kind: "commit", epoch, worker: upgradeWorker, position } as const
    newest = yield* appendSurely(chain, partition, encodeCommit(head, lines), newest)
    for (const [userToken, revision] of revisions) accounts.committed(userToken, revision, newest)
    written.commits += 1
    written.revisions += lines.length
    pending = nothingPending()
  })

  /** Writes the waiting commit if it has a line of the user, because a commit has at most one line of each user. */
  const flushFor = (userToken: string) => (pending.revisions.has(userToken) ? flush(0) : Effect.void)

  const seal = Effect.fnUntraced(function* (userToken: string) {
    yield* flushFor(userToken)
    const account = accounts.of(userToken)
    const contents = beginSeal(account)
    const store = (segment: string) => untilAnswered(chain.seal(partition, segment))
    const { segment, links } = yield* storeSegments(store, userToken, contents, account.links)
    written.segments += contents.length
    endSeal(account, segment, links)
    accounts.sealed(userToken)
  })

  const take = Effect.fnUntraced(function* (userToken: string, former: FormerRevision) {
    yield* flushFor(userToken)
    if (isSealDue(accounts.of(userToken))) yield* seal(userToken)
    const account = accounts.of(userToken)
    if (!follows(account, former)) {
      const problem = `Account ${userToken} has a revision that does not follow from the one before it: ${former.count} purchases, ${former.total} cents.`
      return yield* refuse("failed", `${problem} Nothing was changed in the former layout.`)
    }
    const revision = nextRevision(account, former)
    const line = encodeRevision(userToken, revision)
    const bytes = Buffer.byteLength(line) + 1
    const isFull = pending.bytes + bytes > commitBytesMax || pending.lines.length === commitRevisionsMax
    if (isFull && pending.lines.length > 0) yield* flush(0)
    pending.lines.push(line)
    pending.revisions.set(userToken, revision)
    pending.bytes += bytes
    written.purchases += revision.purchases.length
  })

  return { take, seal, end: flush } satisfies ChainReplay
})
