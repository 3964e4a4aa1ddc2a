/** The most bodies of lines that an edge reads at once. Above it a body is refused. */
export const bodiesOpenMax = 64

/** Counts the bodies of lines that an edge reads. */
export class LineBodies {
  private open = 0

  /** Takes a slot for a body. Returns `false` if none is free. */
  begin(): boolean {
    if (this.open >= bodiesOpenMax) return false
    this.open += 1
    return true
  }

  /** Gives the slot of a body back. */
  end(): void {
    this.open -= 1
  }
}
