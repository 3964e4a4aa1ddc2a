import type { AppliedIds } from "./AppliedIds.ts"

/**
 * Ids in the order in which they were added, as arrays that are searched from the front. For an account with a few it
 * takes less memory than a table, and a fifth of the objects that a Map would be for the collector to walk over.
 */
export class IdList implements AppliedIds {
  private readonly ids: Array<string> = []
  private readonly revisions: Array<number> = []
  private readonly fingerprints: Array<number> = []

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
    return this.revisions[index] as number
  }

  fingerprintAt(index: number): number {
    return this.fingerprints[index] as number
  }

  add(id: string, revision: number, fingerprint: number): void {
    if (this.ids.includes(id)) return
    this.ids.push(id)
    this.revisions.push(revision)
    this.fingerprints.push(fingerprint)
  }
}
