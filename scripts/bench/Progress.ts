/** A line on stderr with the present step. If stderr is not a terminal, only the steps are printed. */
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

  /** Clears the line before other output. */
  clear(): void {
    if (process.stderr.isTTY) process.stderr.write("\r\u001B[K")
  }
}
