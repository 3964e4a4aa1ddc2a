/**
 * Gives a small number to each text that is in use. When a text is no longer in use, another text may get the same
 * number.
 */
export class SymbolTable {
  private readonly numbers = new Map<string, number>()
  private readonly texts: Array<string> = []
  private readonly uses: Array<number> = []
  private readonly free: Array<number> = []

  /** The number of texts in use. */
  get size(): number {
    return this.numbers.size
  }

  /** Returns the number of a text, or `undefined` if the text is not in use. */
  find(text: string): number | undefined {
    return this.numbers.size === 0 ? undefined : this.numbers.get(text)
  }

  textOf(number: number): string {
    return this.texts[number] as string
  }

  /** Counts one more use of a text, and returns the number of the text. */
  use(text: string): number {
    const known = this.numbers.get(text)
    if (known !== undefined) {
      this.uses[known] = (this.uses[known] as number) + 1
      return known
    }
    const number = this.free.pop() ?? this.texts.length
    this.numbers.set(text, number)
    this.texts[number] = text
    this.uses[number] = 1
    return number
  }

  /** Takes back one use of the text with a number. */
  release(number: number): void {
    const uses = (this.uses[number] as number) - 1
    this.uses[number] = uses
    if (uses > 0) return
    this.numbers.delete(this.textOf(number))
    this.texts[number] = ""
    this.free.push(number)
  }
}
