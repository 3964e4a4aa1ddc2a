import { Context, Effect, Layer, Semaphore } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { revisionLinesOf, tokenOfLine } from "../protocol/Commit.ts"
import { type ListedUser, usersLookedMax } from "../protocol/Query.ts"
import { decodeRevision } from "../protocol/RevisionCodec.ts"
import { decodeToken } from "../protocol/Subject.ts"
import { CommitChain, type JournalRecord } from "../nats/CommitChain.ts"
import type { PlacedUser } from "./FirstUsers.ts"
import type { HeadUsers } from "./HeadUsers.ts"

/** The most pages that a worker reads at once. */
const pagesAtOnceMax = 2
/** The most commits that a worker reads at once for one page. */
const readsAtOnceMax = 16

/** The page of users that a caller asks for. */
export interface UsersAsked {
  /** The place at which the page begins, in the order of the users' hashes. */
  readonly from: number
  readonly limit: number
  /** The text with which the tokens of all users on the page begin. */
  readonly prefix: string
}

export interface UserPage {
  readonly users: ReadonlyArray<ListedUser>
  /** The place at which the next page of the partition begins; left out on the last page. */
  readonly next?: number
}

/** Returns the lines of a commit, each under the hash of the line's user. */
const linesByHash = ({ text }: JournalRecord, { hashOf }: HeadUsers): ReadonlyMap<string, string> =>
  new Map(revisionLinesOf(text).map((line) => [hashOf(tokenOfLine(line)), line]))

/** Decodes the user of a line of a commit, with the total of the account. Throws if the line is malformed. */
const userOfLine = (line: string): ListedUser => {
  const { total, count, reversals } = decodeRevision(line)
  return { userId: decodeToken(tokenOfLine(line)), total, count, reversals }
}

/**
 * Reads pages of the users of a partition. The heads name the commit with each user's newest revision, and that commit
 * has the name and the total. Because of the heads, a worker needs no list of users. A page reads at most one commit
 * for each user that the page looks at.
 */
export class UserPages extends Context.Service<
  UserPages,
  {
    /**
     * Returns a page of users in the order of the users' hashes. A page looks at no more than {@link usersLookedMax}
     * users, and at a few more users if users share a place. A page with a prefix may therefore be short or empty, and
     * still have a next page. A page leaves out and logs a user whose newest revision is malformed.
     */
    readonly page: (heads: HeadUsers, asked: UsersAsked) => Effect.Effect<UserPage, BrokerFailure>
  }
>()("purchases/ledger/UserPages") {
  static readonly layer = Layer.effect(
    UserPages,
    Effect.gen(function* () {
      const chain = yield* CommitChain
      const pages = yield* Semaphore.make(pagesAtOnceMax)

      /**
       * Returns the lines of users, in the order of the users. A line is `undefined` if the chain does not have that
       * line.
       */
      const linesOf = Effect.fnUntraced(function* (heads: HeadUsers, placed: ReadonlyArray<PlacedUser>) {
        const sequences = [...new Set(placed.map(({ sequence }) => sequence))]
        const records = yield* Effect.forEach(sequences, chain.at, { concurrency: readsAtOnceMax })
        const lines = new Map(
          records.map((record, index) => [sequences[index], record && linesByHash(record, heads)] as const)
        )
        return placed.map(({ sequence, hash }) => lines.get(sequence)?.get(hash))
      })

      const listed = (line: string | undefined, { sequence }: PlacedUser) =>
        Effect.try(() => userOfLine(line as string)).pipe(
          Effect.catch(() =>
            Effect.as(
              Effect.logError("a user cannot be listed").pipe(Effect.annotateLogs({ commit: sequence })),
              undefined
            )
          )
        )

      const page = Effect.fnUntraced(function* (heads: HeadUsers, { from, limit, prefix }: UsersAsked) {
        const { users: placed, isCut } = yield* heads.page(from, prefix === "" ? limit : usersLookedMax)
        const users: Array<ListedUser> = []
        let at = 0
        // The next page begins behind the place of a user, so users that share a place are on one page.
        const goesOn = () => users.length < limit || placed[at]?.place === placed[at - 1]?.place
        while (at < placed.length && goesOn()) {
          const part = placed.slice(at, at + readsAtOnceMax)
          const lines = yield* linesOf(heads, part)
          for (const [index, one] of part.entries()) {
            if (!goesOn()) break
            at += 1
            const line = lines[index]
            if (line !== undefined && !tokenOfLine(line).startsWith(prefix)) continue
            const user = yield* listed(line, one)
            if (user !== undefined) users.push(user)
          }
        }
        const last = placed[at - 1]
        return last !== undefined && (isCut || at < placed.length) ? { users, next: last.place + 1 } : { users }
      })

      return UserPages.of({ page: (heads, asked) => pages.withPermit(page(heads, asked)) })
    })
  )
}
