import { once } from "node:events"
import { createReadStream, createWriteStream, type WriteStream } from "node:fs"
import { createInterface } from "node:readline"
import type { Completed, Invoked, LogLine } from "./LogLine.ts"

/**
 * The most requests of a fault run. The checker keeps the purchases of the operation log in memory, and has no room for
 * the purchases of more requests.
 */
const operationsMax = 3_000_000

type Request = Invoked extends infer Each ? (Each extends Invoked ? Omit<Each, "operation" | "at"> : never) : never

/** Writes the operation log: a line of JSON before each request, and a line of JSON after the answer. */
export class RunLog {
  readonly path: string
  private readonly file: WriteStream
  private readonly began = performance.now()
  private operations = 0
  private writable: Promise<void> | undefined
  /** The number of requests with each outcome so far, for people who watch the run. */
  readonly counts = { ok: 0, fail: 0, info: 0 }

  constructor(path: string) {
    this.path = path
    this.file = createWriteStream(path)
  }

  /** The time since the run began, in milliseconds. */
  get now(): number {
    return Math.round(performance.now() - this.began)
  }

  get isFull(): boolean {
    return this.operations >= operationsMax
  }

  /**
   * Resolves when the file has taken all written lines. Clients wait for this promise, so that lines do not gather in
   * memory.
   */
  async ready(): Promise<void> {
    await this.writable
  }

  begin(request: Request): number {
    this.operations += 1
    this.write({ operation: this.operations, at: this.now, ...request })
    return this.operations
  }

  end(operation: number, answer: Omit<Completed, "operation" | "at">): void {
    this.counts[answer.outcome] += 1
    this.write({ operation, at: this.now, ...answer })
  }

  note(note: string): void {
    this.write({ at: this.now, note })
  }

  async close(): Promise<void> {
    this.file.end()
    await once(this.file, "close")
  }

  private write(line: LogLine): void {
    if (this.file.write(`${JSON.stringify(line)}\n`)) return
    this.writable ??= once(this.file, "drain").then(() => void (this.writable = undefined))
  }
}

/** Reads the lines of an operation log. */
export async function* linesOf(path: string): AsyncGenerator<LogLine> {
  for await (const line of createInterface({ input: createReadStream(path) })) yield JSON.parse(line)
}
