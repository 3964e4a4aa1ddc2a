import type { AppliedIds } from "./AppliedIds.ts"

const numbersOfMember = 2

/**
 * Ids in the order in which they were added, as arrays that are searched from the front. For an account with a few it
 * takes less memory than a table, and a fifth of the objects that a Map would be for the collector to walk over. The arrays
 * are made anew for each id, as long as they have to be: one that is pushed to has room for 17, and most accounts few.
 */
export class IdList implements AppliedIds {
  private ids: ReadonlyArray<string> = []
  /** Of each member its revision and its fingerprint. */
  private numbers: ReadonlyArray<number> = []

  get size(): number {
    return this.ids.length
  }

  indexOf(id: string): number {
    return this.ids.indexOf(id)
  }

  idAt(index: number): string {
    return this.ids[index] as string
  }

  revisionAt(index: number): number {
    return this.numbers[numbersOfMember * index] as number
  }

  fingerprintAt(index: number): number {
    return this.numbers[numbersOfMember * index + 1] as number
  }

  add(id: string, revision: number, fingerprint: number): void {
    if (this.ids.includes(id)) return
    // With arrays as arguments, concat takes its quick path.
    this.ids = this.ids.concat([id])
    this.numbers = this.numbers.concat([revision, fingerprint])
  }
}
