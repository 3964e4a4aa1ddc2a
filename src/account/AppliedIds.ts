/** Ids of applied purchases, in the order in which they were added, with what is known of each. */
export interface AppliedIds {
  readonly size: number
  /** Returns the index of an id, -1 if it is not there. */
  readonly indexOf: (id: string) => number
  readonly idAt: (index: number) => string
  /** The sequence of the commit that applied it. */
  readonly sequenceAt: (index: number) => number
  readonly fingerprintAt: (index: number) => number
  /** Adds an id; one that is there already keeps what was said first. */
  readonly add: (id: string, sequence: number, fingerprint: number) => void
}
