import type { NatsConnection } from "nats"
import { encodeCommit, headOf } from "../../src/protocol/Commit.ts"
import type { Revision } from "../../src/account/Revision.ts"
import { encodeRevision } from "../../src/protocol/RevisionCodec.ts"
import { commitSubject, encodeToken, journalStream, partitionOf } from "../../src/protocol/Subject.ts"

/** The line of a user in a commit. */
export interface LineByHand {
  readonly userId: string
  readonly revision: Revision
}

/**
 * Appends a commit for users of one partition past its owner. Returns its sequence. The partition may have no commit
 * before the appended commit. The owner notices the commit at its own next strong read or commit, and takes the
 * partition over again.
 */
export const commitByHand = async (
  client: NatsConnection,
  partitions: number,
  lines: ReadonlyArray<LineByHand>
): Promise<number> => {
  const [partition = 0, ...others] = new Set(lines.map(({ userId }) => partitionOf(encodeToken(userId), partitions)))
  if (others.length > 0) throw new Error("these users are of several partitions")
  const subject = commitSubject(partition)
  const manager = await client.jetstreamManager()
  const newest = await manager.streams.getMessage(journalStream, { last_by_subj: subject }).catch(() => undefined)
  const position = newest === undefined ? 0 : headOf(newest.string()).position
  const commit = encodeCommit(
    { kind: "commit", epoch: 0, worker: "by hand", position },
    lines.map(({ userId, revision }) => encodeRevision(encodeToken(userId), revision))
  )
  return (await (await client.jetstream()).publish(subject, commit)).seq
}
