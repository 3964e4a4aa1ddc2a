import { Effect } from "effect"

/**
 * The sequence of a message in a stream, and the time at which the broker stored the message, in milliseconds since
 * 1970.
 */
export interface StoredAt {
  readonly sequence: number
  readonly storedAt: number
}

/**
 * Finds by binary search the first sequence in [from, to) whose message was stored at or after `since`. Returns `to` if
 * all messages were stored before `since`. `messageFrom` returns the first message at or after a sequence, and
 * `undefined` if the stream has no such message.
 */
export const firstStoredSince = Effect.fnUntraced(function* <E>(
  messageFrom: (sequence: number) => Effect.Effect<StoredAt | undefined, E>,
  from: number,
  to: number,
  since: number
) {
  let low = from
  let high = to
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const found = yield* messageFrom(middle)
    if (found === undefined || found.storedAt >= since) high = middle
    else low = found.sequence + 1
  }
  return Math.min(low, to)
})
