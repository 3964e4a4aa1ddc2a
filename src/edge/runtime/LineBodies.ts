/** The most bodies of lines that an edge reads at once. Above it a body is refused. */
export const bodiesOpenMax = 64

/** Counts the bodies of lines that an edge reads. */
export class LineBodies {
  private open = 0

  /** Takes a place for a body. Returns `false` if there is none. */
  begin(): boolean {
    if (this.open >= bodiesOpenMax) return false
    this.open += 1
    return true
  }

  /** Gives the place of a body back. */
  end(): void {
    this.open -= 1
  }
}
