import type { FeedPlace } from "../domain/FeedPlace.ts"
import type { Gathered } from "./JournalTail.ts"

/** Why a reader cannot go on where it asked to. */
export type ResetReason = "not-a-sequence" | "beyond-the-end"

/** Why a feed ends. Whoever asks again with the last id loses nothing. */
export type EndReason = "stopping" | "too-slow" | "ledger-replaced" | "unavailable"

/** What a reader of a feed gets, in order. */
export type FeedItem =
  /** The feed begins: all that is applied after this place comes. */
  | { readonly kind: "place"; readonly place: FeedPlace }
  /** The last id is not a place of this feed. What came before this place has to be read elsewhere. */
  | { readonly kind: "reset"; readonly place: FeedPlace; readonly reason: ResetReason }
  | { readonly kind: "applied"; readonly revisions: Gathered }
  | { readonly kind: "heartbeat" }
  /** The last one. */
  | { readonly kind: "end"; readonly reason: EndReason }
