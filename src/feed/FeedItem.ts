import type { Gathered } from "./Tail.ts"

/** Why a reader cannot go on where it asked to. */
export type ResetReason = "not-a-sequence" | "beyond-the-end" | "no-longer-kept"

/** Why a feed ends. Whoever asks again with the last id loses nothing. */
export type EndReason = "stopping" | "too-slow" | "ledger-replaced" | "unavailable"

/** What a reader of a feed gets, in order. Sequences are those of the ledger. */
export type FeedItem =
  /** The feed begins: all that is applied after this sequence comes. */
  | { readonly kind: "place"; readonly sequence: number }
  /** The asked-for place is none: what came before this sequence has to be read elsewhere. */
  | { readonly kind: "reset"; readonly sequence: number; readonly reason: ResetReason }
  | { readonly kind: "applied"; readonly revisions: Gathered }
  | { readonly kind: "heartbeat" }
  /** The last one. */
  | { readonly kind: "end"; readonly reason: EndReason }
