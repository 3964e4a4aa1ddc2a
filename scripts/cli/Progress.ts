import { counted } from "./Output.ts"
import { cutTo } from "./Table.ts"

/** The time without a sign of progress after which a line says what the command does. */
const quietMilliseconds = 1_000
/** The time between two drawings of the line. */
const drawEveryMilliseconds = 100

const barCells = 30
/** The width of a terminal that does not tell its width, in characters. */
const lineWidthDefault = 80

const eraseLine = "\r\u001B[K"

/** Returns a bar that shows which part of the whole is done. */
export const barText = (what: string, done: number, whole: number): string => {
  const cells = Math.min(barCells, Math.floor((done / whole) * barCells))
  return `${what} ${"█".repeat(cells)}${"░".repeat(barCells - cells)} ${counted(done)}/${counted(whole)}`
}

/**
 * A line on stderr that shows what a command does, from one second after the start on. The line is drawn on a terminal
 * only, and is erased before anything else is printed on the terminal.
 */
export class Progress {
  private readonly stream: NodeJS.WriteStream
  private readonly startedAt = performance.now()
  private quietSince = this.startedAt
  private text = (): string => "waiting for the service"
  private isDrawn = false
  private timer: ReturnType<typeof setInterval> | undefined

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.stream = stream
  }

  start(): void {
    if (!this.stream.isTTY) return
    this.timer = setInterval(() => this.draw(), drawEveryMilliseconds)
    this.timer.unref()
  }

  /**
   * Sets the function that returns the text of the line. The function with the text is called for each drawing of the
   * line.
   */
  show(text: () => string): void {
    this.text = text
  }

  /** Erases the line. The line comes again when nothing was printed for a second. */
  makeRoom(): void {
    this.quietSince = performance.now()
    this.erase()
  }

  /** Erases the line for good. */
  stop(): void {
    clearInterval(this.timer)
    this.erase()
  }

  private erase(): void {
    if (this.isDrawn) this.stream.write(eraseLine)
    this.isDrawn = false
  }

  private draw(): void {
    const now = performance.now()
    if (now - this.quietSince < quietMilliseconds) return
    const seconds = Math.floor((now - this.startedAt) / 1_000)
    this.stream.write(eraseLine + cutTo(`${this.text()}  ${seconds} s`, (this.stream.columns || lineWidthDefault) - 1))
    this.isDrawn = true
  }
}
