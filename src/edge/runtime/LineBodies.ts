/**
 * The most bodies of lines that an edge reads at once. An edge that reads this many bodies refuses the next body of
 * lines.
 */
export const bodiesOpenMax = 64

/** Counts the bodies of lines that an edge reads. */
export class LineBodies {
  private open = 0

  /** Counts the beginning of a body. Returns `false` if the edge reads as many bodies as it may. */
  begin(): boolean {
    if (this.open >= bodiesOpenMax) return false
    this.open += 1
    return true
  }

  /** Counts the end of a body that {@link begin} has counted. */
  end(): void {
    this.open -= 1
  }
}
