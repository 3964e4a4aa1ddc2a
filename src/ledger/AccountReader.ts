import { Context, Effect, Layer, Schema } from "effect"
import {
  type Account,
  emptyAccount,
  evolve,
  type SealedOrder,
  type StoredRevision,
  takeSealedOrder,
  takeSegment
} from "../domain/Account.ts"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import { revisionLineOf } from "../domain/Commit.ts"
import { decodeRevision } from "../domain/Revision.ts"
import { decodeSegment, linksAfter, type Segment } from "../domain/Segment.ts"
import { CommitChain, type JournalRecord } from "../nats/CommitChain.ts"

/** The journal holds something that an account's own records say it cannot hold. Nobody but workers may write it. */
export class LedgerInconsistent extends Schema.TaggedError<LedgerInconsistent>()("LedgerInconsistent", {
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

export interface ReadRevision extends StoredRevision {
  /** When the broker stored its commit, in milliseconds since 1970. */
  readonly storedAt: number
}

const inconsistent = (userToken: string, problem: string) =>
  Effect.fail(new LedgerInconsistent({ problem: `account ${userToken}: ${problem}` }))

/** Returns the revision of a user in a commit; `undefined` if the commit has none. */
const revisionIn = (commit: JournalRecord | undefined, userToken: string): ReadRevision | undefined => {
  if (commit === undefined) return undefined
  const line = revisionLineOf(commit.text, userToken)
  if (line === undefined) return undefined
  return { sequence: commit.sequence, revision: decodeRevision(line), storedAt: commit.storedAt }
}

/** A revision that the account's own records name, so that it has to be there. */
export const namedRevision = (
  { revisionAt }: Pick<(typeof AccountReader)["Service"], "revisionAt">,
  userToken: string,
  sequence: number
): Effect.Effect<ReadRevision, BrokerFailure | LedgerInconsistent> =>
  Effect.flatMap(revisionAt(userToken, sequence), (found) =>
    found === undefined ? inconsistent(userToken, `revision ${sequence} is missing`) : Effect.succeed(found)
  )

/** The order of the revisions that one segment covers. */
interface SealedPart {
  readonly segment: number
  readonly order: ReadonlyArray<SealedOrder>
}

const orderOf = ({ revisions }: Segment): ReadonlyArray<SealedOrder> =>
  revisions.map(({ sequence, purchaseIds }) => ({ sequence, isIdle: purchaseIds.length === 0 }))

/** Reads accounts from the journal. */
export class AccountReader extends Context.Service<
  AccountReader,
  {
    /**
     * Reads an account with its whole purchaseId set, given the sequence of its newest revision, 0 for a new user: that
     * revision first, and then exactly the revisions and segments that it names.
     */
    readonly load: (userToken: string, newest: number) => Effect.Effect<Account, BrokerFailure | LedgerInconsistent>
    /** The revision of an account in the commit at a sequence; `undefined` if something else is there. */
    readonly revisionAt: (userToken: string, sequence: number) => Effect.Effect<ReadRevision | undefined, BrokerFailure>
  }
>()("purchases/ledger/AccountReader") {
  static readonly layer = Layer.effect(
    AccountReader,
    Effect.gen(function* () {
      const chain = yield* CommitChain

      const revisionAt = (userToken: string, sequence: number) =>
        Effect.map(chain.at(sequence), (commit) => revisionIn(commit, userToken))

      const segmentAt = (userToken: string, sequence: number) =>
        Effect.flatMap(chain.at(sequence), (stored) => {
          const segment = stored && decodeSegment(stored.text)
          return segment?.userToken === userToken
            ? Effect.succeed(segment)
            : inconsistent(userToken, `segment ${sequence} is missing`)
        })

      /** Takes the newest segment and all that it names, directly or through others, into an account. */
      const takeSegments = Effect.fnUntraced(function* (userToken: string, account: Account, newest: number) {
        const known = new Set([newest])
        const parts: Array<SealedPart> = []
        const take = Effect.fnUntraced(function* (sequence: number) {
          const segment = yield* segmentAt(userToken, sequence)
          takeSegment(account, segment)
          parts.push({ segment: sequence, order: orderOf(segment) })
          if (sequence === newest) account.links = linksAfter(segment.links, sequence)
          const named = [...segment.links.before, ...segment.links.directories].filter((other) => !known.has(other))
          for (const other of named) known.add(other)
          return named
        })
        for (let wanted = [newest]; wanted.length > 0;) {
          // The chain bounds how many of them are read at once.
          const named = yield* Effect.forEach(wanted, take, { concurrency: "unbounded" })
          wanted = named.flat()
        }
        account.segment = newest
        parts.sort((one, other) => one.segment - other.segment)
        takeSealedOrder(
          account,
          parts.flatMap(({ order }) => order)
        )
      })

      /** The unsealed revisions, oldest first, by way of the predecessors that each of them names. */
      const unsealed = Effect.fnUntraced(function* (userToken: string, newest: ReadRevision) {
        const newestFirst = [newest]
        for (let oldest = newest; newestFirst.length < newest.revision.unsealed;) {
          const wanted = oldest.revision.previous.slice(0, newest.revision.unsealed - newestFirst.length)
          const named = (sequence: number) => namedRevision({ revisionAt }, userToken, sequence)
          // A revision names few others.
          const read = yield* Effect.forEach(wanted, named, { concurrency: "unbounded" })
          const last = read.at(-1)
          if (last === undefined) return yield* inconsistent(userToken, "its chain of revisions ends early")
          newestFirst.push(...read)
          oldest = last
        }
        return newestFirst.toReversed()
      })

      const load = Effect.fnUntraced(function* (userToken: string, newest: number) {
        const account = emptyAccount()
        if (newest === 0) return account
        const stored = yield* namedRevision({ revisionAt }, userToken, newest)
        const { count, segment, unsealed: unsealedRevisions } = stored.revision
        account.seen.expect(count)
        if (segment > 0) yield* takeSegments(userToken, account, segment)
        const revisions = unsealedRevisions === 1 ? [stored] : yield* unsealed(userToken, stored)
        for (const { revision, sequence } of revisions) evolve(account, revision, sequence)
        if (account.seen.size === account.count) return account
        return yield* inconsistent(userToken, `${account.seen.size} ids of ${account.count} purchases are there`)
      })

      return AccountReader.of({ load, revisionAt })
    })
  )
}
