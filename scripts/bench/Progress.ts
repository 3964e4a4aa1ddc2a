/**
 * Shows the present step of the benchmark in a line on stderr. If stderr is not a terminal, prints only the names of
 * the steps.
 */
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

  /** Clears the line of the progress before other output is printed. */
  clear(): void {
    if (process.stderr.isTTY) process.stderr.write("\r\u001B[K")
  }
}
