import { Context, Effect, Layer } from "effect"
import { revisionLinesOf, tokenOfLine } from "../protocol/Commit.ts"
import { commitFilter, journalStream } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"
import type { JournalRecord } from "./CommitChain.ts"
import { type FeedMessage, type FollowedStream, makeFollowedStream } from "./FollowedStream.ts"

/** Returns the revisions of a commit, in the order of its lines. A take-over record has no revisions. */
export const revisionsOf = ({ sequence, storedAt, text }: JournalRecord): Array<FeedMessage> =>
  revisionLinesOf(text).map((line, index) => ({
    userToken: tokenOfLine(line),
    place: { sequence, line: index + 1 },
    storedAt,
    text: line
  }))

/** Returns a user's revision in a commit; `undefined` if the commit has no revision of the user. */
export const revisionOfUser = (commit: JournalRecord, userToken: string): FeedMessage | undefined => {
  const { sequence, storedAt } = commit
  const lines = revisionLinesOf(commit.text)
  const index = lines.findIndex((line) => tokenOfLine(line) === userToken)
  const line = lines[index]
  if (line === undefined) return undefined
  // The text of the line is copied, because a substring of the commit's text would keep the whole text in memory.
  return { userToken, place: { sequence, line: index + 1 }, storedAt, text: Buffer.from(line).toString() }
}

/** Reads and follows the revisions of all accounts, in the order of the journal. */
export class CommitStream extends Context.Service<CommitStream, FollowedStream>()("purchases/nats/CommitStream") {
  static readonly layer = Layer.effect(
    CommitStream,
    Effect.map(Effect.service(Connection), (connection) =>
      CommitStream.of(
        makeFollowedStream(connection, {
          name: "the journal",
          stream: journalStream,
          filter: commitFilter,
          messagesOf: revisionsOf
        })
      )
    )
  )
}
