/** A sequence of random numbers that follows from a seed (mulberry32). */
export class Randomness {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** Returns a number in [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }

  /** Returns an integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  letter(): string {
    return String.fromCharCode(97 + this.below(26))
  }

  choose<A>(from: ReadonlyArray<A>): A {
    const chosen = from[this.below(from.length)]
    if (chosen === undefined) throw new Error("nothing to choose from")
    return chosen
  }
}
