import { Context, Effect, Layer, Schema } from "effect"
import { type Account, emptyAccount, evolve, type StoredRevision, takeSegment } from "../domain/Account.ts"
import type { BrokerFailure } from "../domain/BrokerError.ts"
import { decodeRevision, decodeSegment } from "../domain/Revision.ts"
import { accountKey, segmentKey } from "../domain/Subject.ts"
import { keysAtOnceMax } from "../nats/CausalReads.ts"
import { LedgerBucket, type LedgerValue } from "../nats/LedgerBucket.ts"
import { makeTurns } from "./Turns.ts"

/**
 * How many segments of one account are asked for at once: what one request names is decoded while the next is on its
 * way.
 */
const segmentsAtOnceMax = 2 * keysAtOnceMax
/**
 * How many revisions of all accounts that are loaded are asked for at once; the others wait for their turn. The broker
 * answers some thousands a second and is asked again after one, so more at once would only ask it the same twice.
 */
export const revisionReadsMax = 256

/** The ledger holds something that an account's own records say it cannot hold. Nobody but the ledger may write it. */
export class LedgerInconsistent extends Schema.TaggedError<LedgerInconsistent>()("LedgerInconsistent", {
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

export interface ReadRevision extends StoredRevision {
  /** When the broker stored it, in milliseconds since 1970. */
  readonly storedAt: number
}

const readRevision = (stored: LedgerValue): ReadRevision => ({
  sequence: stored.sequence,
  revision: decodeRevision(stored.value),
  storedAt: stored.storedAt
})

/** A revision that the account's own records name, so that it has to be there. */
export const namedRevision = (
  { revisionAt }: Pick<(typeof AccountReader)["Service"], "revisionAt">,
  userToken: string,
  sequence: number
): Effect.Effect<ReadRevision, BrokerFailure | LedgerInconsistent> =>
  Effect.flatMap(revisionAt(userToken, sequence), (found) =>
    found === undefined
      ? Effect.fail(new LedgerInconsistent({ problem: `account ${userToken}: revision ${sequence} is missing` }))
      : Effect.succeed(found)
  )

/** Reads accounts. */
export class AccountReader extends Context.Service<
  AccountReader,
  {
    /**
     * An account with its whole purchaseId set, as one snapshot: the newest revision first, and then exactly the
     * revisions and segments that it names. It is one of a moment after all that this process had been told: whoever
     * owns its partition was told of that, so it has what owners before wrote. What owners after wrote it may lack, and
     * those refuse what is decided upon it.
     */
    readonly load: (userToken: string) => Effect.Effect<Account, BrokerFailure | LedgerInconsistent>
    /** The revision of an account that is stored at a sequence; nothing when something else is there. */
    readonly revisionAt: (userToken: string, sequence: number) => Effect.Effect<ReadRevision | undefined, BrokerFailure>
  }
>()("purchases/ledger/AccountReader") {
  static readonly layer = Layer.effect(
    AccountReader,
    Effect.gen(function* () {
      const bucket = yield* LedgerBucket

      const inTurn = makeTurns(revisionReadsMax)

      const revisionAt = (userToken: string, sequence: number) =>
        Effect.map(bucket.at(sequence), (stored) =>
          stored?.key === accountKey(userToken) ? readRevision(stored) : undefined
        )

      const segment = (userToken: string, number: number) =>
        Effect.flatMap(bucket.latestTold(segmentKey(userToken, number)), (stored) =>
          stored === undefined
            ? Effect.fail(new LedgerInconsistent({ problem: `account ${userToken}: segment ${number} is missing` }))
            : Effect.succeed(decodeSegment(stored.value))
        )

      /** The unsealed revisions, oldest first, by way of the predecessors that each of them names. */
      const unsealed = Effect.fnUntraced(function* (userToken: string, newest: ReadRevision) {
        const newestFirst = [newest]
        for (let oldest = newest; newestFirst.length < newest.revision.unsealed;) {
          const wanted = oldest.revision.previous.slice(0, newest.revision.unsealed - newestFirst.length)
          const namedInTurn = (sequence: number) => inTurn(namedRevision({ revisionAt }, userToken, sequence))
          // A revision names few others.
          const read = yield* Effect.forEach(wanted, namedInTurn, { concurrency: "unbounded" })
          const last = read.at(-1)
          if (last === undefined) {
            return yield* new LedgerInconsistent({ problem: `account ${userToken}: its chain of revisions ends early` })
          }
          newestFirst.push(...read)
          oldest = last
        }
        return newestFirst.toReversed()
      })

      const load = Effect.fnUntraced(function* (userToken: string) {
        const account = emptyAccount()
        const stored = yield* bucket.latestTold(accountKey(userToken))
        if (stored === undefined) return account
        const newest = readRevision(stored)
        account.seen.expect(newest.revision.count)
        const numbers = Array.from({ length: newest.revision.segments }, (_, index) => index + 1)
        const takeNumbered = (number: number) =>
          Effect.map(segment(userToken, number), (read) => takeSegment(account, read))
        // Each segment is taken in when it comes, and others of the process have their turn meanwhile.
        const applying = yield* Effect.forEach(numbers, takeNumbered, { concurrency: segmentsAtOnceMax })
        for (const sequences of applying) account.applying.push(...sequences)
        const revisions = newest.revision.unsealed === 1 ? [newest] : yield* unsealed(userToken, newest)
        for (const { revision, sequence } of revisions) evolve(account, revision, sequence)
        if (account.seen.size === account.count) return account
        return yield* new LedgerInconsistent({
          problem: `account ${userToken}: ${account.seen.size} ids of ${account.count} purchases are there`
        })
      })

      return AccountReader.of({ load, revisionAt })
    })
  )
}
