/** The most findings that are listed. Further findings are only counted. */
export const findingsListedMax = 100

/** A disagreement that the audit found. */
export interface Finding {
  /** The place of the disagreement: a commit, a user, an input, or the heads of a partition. */
  readonly place: string
  /** The disagreement, in words. */
  readonly problem: string
}

/** Counts the findings of an audit, and lists the first ones. */
export class AuditFindings {
  /** The first findings, in the order in which they were found. */
  readonly listed: Array<Finding> = []
  /** The number of all findings. */
  count = 0

  add(place: string, problem: string): void {
    this.count += 1
    if (this.listed.length < findingsListedMax) this.listed.push({ place, problem })
  }

  /** Adds the findings of a part of the audit. */
  addAll({ listed, count }: AuditFindings): void {
    for (const { place, problem } of listed) this.add(place, problem)
    this.count += count - listed.length
  }
}
