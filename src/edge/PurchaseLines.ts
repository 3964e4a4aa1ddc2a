import { isAscii, isUtf8 } from "node:buffer"
import type { Purchase } from "../domain/Purchase.ts"
import { messagePurchasesMax } from "../domain/PurchaseMessage.ts"
import { type Problem, problem } from "./Problem.ts"
import { PurchaseReader } from "./PurchaseReader.ts"

/** The most lines that go through the edge together. */
export const batchLinesMax = messagePurchasesMax

/** A line of a body, as a purchase or as what is wrong with it. */
export interface Line {
  /** Counted from 1, blank ones as well. */
  readonly number: number
  readonly read: Purchase | Problem
}

const lineFeed = 0x0a
const byteOrderMark = Buffer.from("\uFEFF")
const blank = /^[ \t\r]*$/
const notText = problem("malformed-request", "The line could not be read as UTF-8 text.")

/** Reads purchases from the lines of a body as its bytes come. It holds at most one line that has not ended. */
export class PurchaseLines {
  private readonly lineBytesMax: number
  private readonly newId: () => string
  private readonly reader = new PurchaseReader()
  private readonly tooLong: Problem
  private number = 0
  private begun: Buffer = Buffer.alloc(0)
  private isSkipping = false
  /** The first bytes of the body, as long as they may be the beginning of a byte order mark. */
  private start: Buffer | undefined = Buffer.alloc(0)

  constructor(lineBytesMax: number, newId: () => string) {
    this.lineBytesMax = lineBytesMax
    this.newId = newId
    this.tooLong = problem("body-too-large", `A purchase has at most ${lineBytesMax} bytes.`)
  }

  /** How many bytes it holds of a line that has not ended. */
  get heldBytes(): number {
    return this.begun.length + (this.start?.length ?? 0)
  }

  /** The lines that end in these bytes, a batch at a time. */
  *read(chunk: Uint8Array): Generator<ReadonlyArray<Line>> {
    const bytes = this.afterMark(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    const end = bytes.lastIndexOf(lineFeed) + 1
    if (end > 0) yield* this.batches(this.joined(bytes.subarray(0, end)))
    this.begin(bytes.subarray(end))
  }

  /** The last line, when it ends with the body. */
  *end(): Generator<ReadonlyArray<Line>> {
    this.begin(this.start ?? Buffer.alloc(0))
    if (this.begun.length > 0 || this.isSkipping) yield* this.batches(this.joined(Buffer.from("\n")))
  }

  /** Returns the bytes without the byte order mark with which a body may start, and holds them while it may be cut. */
  private afterMark(bytes: Buffer): Buffer {
    if (this.start === undefined) return bytes
    const start = Buffer.concat([this.start, bytes])
    const isCut = start.length < byteOrderMark.length && start.equals(byteOrderMark.subarray(0, start.length))
    this.start = isCut ? start : undefined
    if (isCut) return Buffer.alloc(0)
    return start.subarray(0, byteOrderMark.length).equals(byteOrderMark) ? start.subarray(byteOrderMark.length) : start
  }

  /** What has begun before with what it goes on with. */
  private joined(bytes: Buffer): Buffer {
    const joined = this.begun.length === 0 ? bytes : Buffer.concat([this.begun, bytes])
    this.begun = Buffer.alloc(0)
    return joined
  }

  /** Keeps the beginning of a line; of one that is too long already, only that it is. */
  private begin(bytes: Buffer): void {
    if (this.isSkipping || bytes.length === 0) return
    this.isSkipping = this.begun.length + bytes.length > this.lineBytesMax
    this.begun = this.isSkipping ? Buffer.alloc(0) : Buffer.concat([this.begun, bytes])
  }

  /** The lines of bytes that end with one. */
  private *batches(bytes: Buffer): Generator<ReadonlyArray<Line>> {
    // One text for all costs a fraction of one for each, and in ASCII its places are those of the bytes.
    const text = isAscii(bytes) ? bytes.toString("latin1") : undefined
    let batch: Array<Line> = []
    for (let from = 0; from < bytes.length;) {
      const to = text === undefined ? bytes.indexOf(lineFeed, from) : text.indexOf("\n", from)
      this.number += 1
      const read = this.lineOf(bytes, text, from, to)
      if (read !== undefined) batch.push({ number: this.number, read })
      if (batch.length === batchLinesMax) {
        yield batch
        batch = []
      }
      from = to + 1
    }
    if (batch.length > 0) yield batch
  }

  private lineOf(bytes: Buffer, text: string | undefined, from: number, to: number): Line["read"] | undefined {
    if (this.isSkipping || to - from > this.lineBytesMax) {
      this.isSkipping = false
      return this.tooLong
    }
    if (text !== undefined) return this.purchaseOf(text, from, to)
    const line = bytes.subarray(from, to)
    return isUtf8(line) ? this.purchaseOf(line.toString("utf8"), 0) : notText
  }

  private purchaseOf(text: string, from: number, to = text.length): Line["read"] | undefined {
    // Most lines have a brace first, and need not be looked at twice.
    if (text[from] !== "{" && blank.test(text.slice(from, to))) return undefined
    return this.reader.read({ what: "line", text, from, to }, undefined, this.newId)
  }
}
