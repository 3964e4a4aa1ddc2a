/** The most exports that an edge writes at once. An edge that writes this many exports refuses the next export. */
export const exportsOpenMax = 16

/** Counts the exports that an edge writes. */
export class OpenExports {
  private open = 0

  /** Counts the beginning of an export. Returns `false` if the edge writes as many exports as it may. */
  begin(): boolean {
    if (this.open >= exportsOpenMax) return false
    this.open += 1
    return true
  }

  /** Counts the end of an export that {@link begin} has counted. */
  end(): void {
    this.open -= 1
  }
}
