/** One line on stderr that says what happens now. Where stderr is no terminal, only the steps are printed. */
export class Progress {
  private step = ""

  begin(step: string): void {
    this.step = step
    if (process.stderr.isTTY) this.show("")
    else process.stderr.write(`${step}\n`)
  }

  show(detail: string): void {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${this.step}${detail === "" ? "" : `: ${detail}`}`)
  }

  /** Leaves the line free for what is printed next. */
  clear(): void {
    if (process.stderr.isTTY) process.stderr.write("\r\u001B[K")
  }
}
