import { Effect } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { BrokerConnection } from "./client/Connection.ts"
import { readMessage, type StoredMessage } from "./client/JetStreamApi.ts"
import { readReplica } from "./client/ReplicaRead.ts"

/**
 * The request for a page of messages of a stream. Pages are bounded, because the broker writes nothing while it reads a
 * page.
 */
export interface PageQuery {
  /** The subject of the messages, which may have wildcards. */
  readonly subject: string
  /** The least sequence that a message of the page may have. */
  readonly from: number
  readonly messagesMax: number
  /** The most bytes of the page, approximately. A message with more bytes is a page of its own. */
  readonly bytesMax: number
}

/**
 * Reads the next messages of a subject from a sequence on, in order and without a gap. The list is empty only if the
 * leader has no message of the subject from the sequence on. Reads the first message from the leader, and the page from
 * a replica. Uses the replica's page only if the page begins with the leader's message, because a replica may lack the
 * newest messages.
 */
export const readPage = Effect.fnUntraced(function* (
  connection: Pick<BrokerConnection, "request" | "requestAll" | "hasMajority">,
  stream: string,
  { subject, from, messagesMax, bytesMax }: PageQuery
): Effect.fn.Return<ReadonlyArray<StoredMessage>, BrokerFailure> {
  const first = yield* readMessage(connection, stream, { seq: from, next_by_subj: subject })
  if (first === undefined) return []
  // A first message that fills half a page is returned alone, because a page from a replica would have few further
  // messages.
  if (first.text.length >= bytesMax / 2) return [first]
  const query = { seq: first.sequence, next_by_subj: subject, batch: messagesMax, max_bytes: bytesMax }
  const page = yield* readReplica(connection, stream, query).pipe(
    Effect.orElseSucceed((): ReadonlyArray<StoredMessage> => [])
  )
  return page[0]?.sequence === first.sequence ? page : [first]
})
