import { Effect } from "effect"
import { type BrokerFailure, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { type FeedPlace, isAfter } from "../protocol/FeedPlace.ts"
import { decodeToken } from "../protocol/Subject.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { revisionOfUser } from "../nats/CommitStream.ts"
import { type FeedMessage, pageBytesMax } from "../nats/FollowedStream.ts"
import { NotCurrent, QueryClient } from "../asking/QueryClient.ts"

/** The most revisions of one account that the owner of the partition names in one answer. */
export const userPageMax = 32
/**
 * The most commits that an edge reads at once for a page of one account. Each commit has the lines of many accounts.
 */
const commitsAtOnceMax = 8
/** The time within which the owner of a partition must name the revisions of an account after a place. */
const ownerWaitMilliseconds = 5_000

const missing = (sequence: number) =>
  new BrokerUnavailable({ operation: "read the journal", reason: `the revision at ${sequence} is missing` })

/**
 * Makes the function that returns the next revisions of one account after a place, oldest first. The list of revisions
 * is empty only if the account has no revisions after the place. The owner of the partition names the commits to read,
 * so an edge reads only commits with this account. `inTurn` bounds how many readers read commits at once. A reader that
 * waits for the owner's answer does not take a turn of `inTurn`, because the answer may take seconds.
 */
export const makeUserPage = Effect.fnUntraced(function* (
  inTurn: <A, E>(reading: Effect.Effect<A, E>) => Effect.Effect<A, E>
) {
  const chain = yield* CommitChain
  const queries = yield* QueryClient

  const revisionAt = (userToken: string) => (sequence: number) =>
    Effect.flatMap(chain.at(sequence), (commit) => {
      const revision = commit && revisionOfUser(commit, userToken)
      // The owner named this revision, so a page without the revision would have a gap.
      return revision === undefined ? Effect.fail(missing(sequence)) : Effect.succeed(revision)
    })

  const read = Effect.fnUntraced(function* (sequences: ReadonlyArray<number>, after: FeedPlace, userToken: string) {
    const page: Array<FeedMessage> = []
    let bytes = 0
    for (let first = 0; first < sequences.length && bytes < pageBytesMax; first += commitsAtOnceMax) {
      const some = sequences.slice(first, first + commitsAtOnceMax)
      const revisions = yield* Effect.forEach(some, revisionAt(userToken), { concurrency: commitsAtOnceMax })
      page.push(...revisions.filter(({ place }) => isAfter(place, after)))
      bytes += revisions.reduce((sum, { text }) => sum + text.length, 0)
    }
    return page
  })

  return Effect.fnUntraced(function* (
    after: FeedPlace,
    userToken: string
  ): Effect.fn.Return<ReadonlyArray<FeedMessage>, BrokerFailure | NotCurrent> {
    const answer = yield* queries.ask(
      {
        kind: "revisions",
        userId: decodeToken(userToken),
        // The place `after` may lie within a commit, and this user's line may come later in the same commit.
        after: after.sequence - (Number.isFinite(after.line) ? 1 : 0),
        limit: userPageMax
      },
      { consistency: "strong", waitMilliseconds: ownerWaitMilliseconds }
    )
    if (answer.kind !== "revisions") return yield* new NotCurrent({ waitedMilliseconds: 0 })
    return yield* inTurn(read(answer.sequences, after, userToken))
  })
})
