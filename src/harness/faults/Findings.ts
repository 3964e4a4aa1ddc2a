import { type BreakName, breakNames, type Problem } from "../Invariant.ts"

const examplesMax = 10

/** Counts how often each invariant was broken, and keeps the first examples for each invariant. */
export class Findings {
  private readonly counts = new Map<BreakName, number>()
  readonly examples: Array<string> = []
  private readonly shown = new Map<BreakName, number>()

  add(name: BreakName, what: string): void {
    this.counts.set(name, this.count(name) + 1)
    const shown = this.shown.get(name) ?? 0
    if (shown >= examplesMax) return
    this.shown.set(name, shown + 1)
    this.examples.push(`${name}: ${what}`)
  }

  /**
   * Adds a problem that begins with the name of a broken invariant. A problem without the name of an invariant counts
   * as `A1 missing`.
   */
  addProblem(problem: Problem): void {
    const name = breakNames.find((one) => problem.startsWith(`${one}:`)) ?? "A1 missing"
    this.add(name, problem.slice(problem.indexOf(": ") + 2))
  }

  count(name: BreakName): number {
    return this.counts.get(name) ?? 0
  }

  get isEmpty(): boolean {
    return this.counts.size === 0
  }
}
