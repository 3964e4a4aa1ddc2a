/** What the promise calls each way in which it can be broken. */
export const findingKinds = [
  "lost",
  "doubled",
  "phantom",
  "disagreeing",
  "out of order",
  "stale reads",
  "unrecorded",
  "not drained"
] as const
export type FindingKind = (typeof findingKinds)[number]

const examplesMax = 10

/** How often each promise was broken, with the first examples of each; the rest is only counted. */
export class Findings {
  private readonly counts = new Map<FindingKind, number>()
  readonly examples: Array<string> = []
  private readonly shown = new Map<FindingKind, number>()

  add(kind: FindingKind, what: string): void {
    this.counts.set(kind, this.count(kind) + 1)
    const shown = this.shown.get(kind) ?? 0
    if (shown >= examplesMax) return
    this.shown.set(kind, shown + 1)
    this.examples.push(`${kind}: ${what}`)
  }

  count(kind: FindingKind): number {
    return this.counts.get(kind) ?? 0
  }

  get isEmpty(): boolean {
    return this.counts.size === 0
  }
}
