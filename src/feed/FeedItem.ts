import type { FeedPlace } from "../protocol/FeedPlace.ts"
import type { Gathered } from "./FeedTail.ts"

/** Why a feed cannot go on after the event id that the reader gave. */
export type ResetReason = "not-a-sequence" | "beyond-the-end" | "removed"

/** Why a feed ends. A reader that opens the feed again with the id of its last event misses no message. */
export type EndReason = "stopping" | "too-slow" | "ledger-replaced" | "unavailable" | "token-ended"

/**
 * An item for a reader of a feed: first `start` or `reset`, then `messages` and `heartbeat`, and last `end`. A further
 * `reset` comes if messages are removed before the reader has got them.
 */
export type FeedItem =
  /** The feed begins, and all messages after `place` follow. */
  | { readonly kind: "start"; readonly place: FeedPlace }
  /**
   * The feed cannot go on after the event id that the reader gave, or after the last message that the reader got. The
   * feed goes on after `place`. For everything before `place`, the reader has to read the accounts, or the pages of
   * alerts.
   */
  | { readonly kind: "reset"; readonly place: FeedPlace; readonly reason: ResetReason }
  | { readonly kind: "messages"; readonly messages: Gathered }
  | { readonly kind: "heartbeat" }
  /** The last item of a feed, with the reason why the feed ends. */
  | { readonly kind: "end"; readonly reason: EndReason }
