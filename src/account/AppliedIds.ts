/**
 * Ids of applied purchases, in the order in which they were added. Each id has the sequence of the commit that applied
 * it, and the fingerprint of its purchase.
 */
export interface AppliedIds {
  readonly size: number
  /** Returns the index of an id, or -1 if it was not added. */
  readonly indexOf: (id: string) => number
  /** Returns the id at an index. */
  readonly idAt: (index: number) => string
  /** Returns the sequence of the commit that applied the id at an index. */
  readonly sequenceAt: (index: number) => number
  /** Returns the fingerprint of the content of the purchase at an index. */
  readonly fingerprintAt: (index: number) => number
  /** Adds an id. If the id is in the set already, its first sequence and fingerprint stay. */
  readonly add: (id: string, sequence: number, fingerprint: number) => void
}
