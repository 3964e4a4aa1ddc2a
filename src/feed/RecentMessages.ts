import { behindCommit, type FeedPlace, isAfter } from "../protocol/FeedPlace.ts"
import type { FeedMessage } from "../nats/FollowedStream.ts"

/** The most messages of a stream that an edge keeps in memory, for readers that soon open a feed again. */
export const recentMessagesMax = 2_048
/** The most bytes of recent messages in memory, approximately. */
export const recentBytesMax = 8 * 1024 * 1024

/** The most messages that a reader gets in one slice. */
export const sliceMessagesMax = 128
/** The most bytes that a reader gets in one slice, approximately. */
export const sliceBytesMax = 64 * 1024

/** Cuts messages into slices for a reader. Each slice has at least one message. */
export function* slicesOf(messages: Iterable<FeedMessage>): Generator<ReadonlyArray<FeedMessage>> {
  let slice: Array<FeedMessage> = []
  let bytes = 0
  for (const message of messages) {
    slice.push(message)
    bytes += message.text.length
    if (slice.length < sliceMessagesMax && bytes < sliceBytesMax) continue
    yield slice
    slice = []
    bytes = 0
  }
  if (slice.length > 0) yield slice
}

/** Keeps in memory the newest messages of a stream: all messages after the place `floor`. */
export class RecentMessages {
  private readonly held: Array<FeedMessage> = []
  private bytes = 0
  private below: FeedPlace
  private newestPlace: FeedPlace

  /** Begins without messages. `end` is the last sequence of the stream. */
  constructor(end: number) {
    this.below = behindCommit(end)
    this.newestPlace = this.below
  }

  /** The place after which all messages of the stream are in memory. */
  get floor(): FeedPlace {
    return this.below
  }

  /** The place of the newest message in memory. Before the first message, `newest` is the end of the stream. */
  get newest(): FeedPlace {
    return this.newestPlace
  }

  /** Adds messages, and drops the oldest messages while a bound is exceeded. */
  push(messages: ReadonlyArray<FeedMessage>): void {
    for (const message of messages) {
      this.held.push(message)
      this.bytes += message.text.length
      this.newestPlace = message.place
    }
    let dropped = 0
    for (const { place, text } of this.held) {
      if (this.held.length - dropped <= recentMessagesMax && this.bytes <= recentBytesMax) break
      this.bytes -= text.length
      this.below = place
      dropped += 1
    }
    this.held.splice(0, dropped)
  }

  /**
   * Returns the first slice of messages after a place, of one user or of all users. Returns `undefined` if messages
   * after the place were dropped.
   */
  after(place: FeedPlace, userToken?: string): ReadonlyArray<FeedMessage> | undefined {
    if (isAfter(this.below, place)) return undefined
    const wanted = this.held
      .values()
      .filter((message) => userToken === undefined || message.userToken === userToken)
      .filter((message) => isAfter(message.place, place))
    return slicesOf(wanted).next().value ?? []
  }
}
