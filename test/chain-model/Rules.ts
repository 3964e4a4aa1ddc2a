import type { Script } from "./Chain.ts"

/** A rule of the protocol that is left out or done wrong. */
export type Mistake =
  | "commit without expectation"
  | "next commit sent before the answer"
  | "next commit sent under the same expectation"
  | "unknown taken for success"
  | "tried again behind the chain's new end"
  | "tried again under the same expectation"
  | "position advanced with a part"
  | "purge beyond the position"
  | "deciding beyond a gap"
  | "segment written after its commit"
  | "set not loaded"
  | "decidedThrough not loaded"
  | "repeats passed over"
  | "reversed pieces not loaded"
  | "refusal not recorded"
  | "accounts kept across an epoch"
  | "account loaded while its commit is on its way"
  | "acknowledged when received"
  | "acknowledged when sent"
  | "chain read before the record"
  | "chain read before the record that expects its end"
  | "chain not read to its end"
  | "heads written before the acknowledgement"
  | "manifest replaced unconditionally"
  | "missing blob taken for an empty one"
  | "purge before the manifest is stored"
  | "hint named again after a refusal"
  | "blobs numbered behind the manifest"
  | "changes forgotten before the manifest"
  | "hint under another key"
  | "base named complete at its end"
  | "read without barrier"
  | "read without owner check"
  | "owner checked before the barrier"
  | "proof by a commit from before the barrier"
  | "proof by an acknowledgement after the barrier"
  | "read trusts a log without anything newer"

export interface Bounds {
  /**
   * The number of crashes, lost deliveries, unknown outcomes, stale manifests, lost blobs and late take-over records
   * together.
   */
  readonly faults: number
  readonly reads: number
  /** The number of hints and bases that may be begun. */
  readonly heads?: number
  /**
   * Decides the steps of a worker that has lost the partition. With "act" such a worker goes on. With "rest" such a
   * worker only ends its write of heads: the broker would refuse its commits, and its reads would fail the owner check.
   * A planted mistake shows only with "act".
   */
  readonly zombies: "act" | "rest"
  /**
   * Whether an owner compares restored heads with a digest in the newest commit, and makes them again from the chain if
   * they differ.
   */
  readonly checksDigest?: boolean
  /** Whether a base has one chunk for each account, so that commits are stored between two chunks. */
  readonly writesChunks?: boolean
  /**
   * The only form of the check of ownership that workers use. Without `ownerCheck`, both forms of the check are used.
   */
  readonly ownerCheck?: "commit" | "read"
  /** Whether the input log is never purged. */
  readonly keepsInput?: boolean
  /** Whether the old blobs are never purged. */
  readonly keepsBlobs?: boolean
}

export interface Rules {
  readonly script: Script
  readonly bounds: Bounds
  readonly mistakes: ReadonlySet<Mistake>
}
