import { isAscii, isUtf8 } from "node:buffer"
import type { EntryRequest } from "../../account/Entry.ts"
import { messagePurchasesMax } from "../../protocol/PurchaseMessage.ts"
import { type Problem, problem } from "../contract/Problem.ts"
import { LineObjectReader } from "../contract/LineObjectReader.ts"

/** The most lines of a batch. The lines of a batch are stored and answered together. */
export const batchLinesMax = messagePurchasesMax

/** A line of a body, with its purchase or reversal, or its problem. */
export interface Line {
  /** The number of the line, from 1. Blank lines count as lines. */
  readonly number: number
  readonly read: EntryRequest | Problem
}

const lineFeed = 0x0a
const byteOrderMark = Buffer.from("\uFEFF")
const blank = /^[ \t\r]*$/
const notText = problem("malformed-request", "The line could not be read as UTF-8 text.")

/**
 * Reads purchases and reversals from the lines of a body as its bytes come. The reader holds at most one line that has
 * not ended.
 */
export class PurchaseLines {
  private readonly lineBytesMax: number
  private readonly newId: () => string
  private readonly reader = new LineObjectReader()
  private readonly tooLong: Problem
  private number = 0
  private begun: Buffer = Buffer.alloc(0)
  private isSkipping = false
  /** The first bytes of the body, while they may be the beginning of a byte order mark. */
  private start: Buffer | undefined = Buffer.alloc(0)

  constructor(lineBytesMax: number, newId: () => string) {
    this.lineBytesMax = lineBytesMax
    this.newId = newId
    this.tooLong = problem("body-too-large", `A purchase has at most ${lineBytesMax} bytes.`)
  }

  /** Returns how many bytes the reader holds of a line that has not ended. */
  get heldBytes(): number {
    return this.begun.length + (this.start?.length ?? 0)
  }

  /** Yields the lines that end in the bytes of `chunk`, in batches. */
  *read(chunk: Uint8Array): Generator<ReadonlyArray<Line>> {
    const bytes = this.afterMark(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    const end = bytes.lastIndexOf(lineFeed) + 1
    if (end > 0) yield* this.batches(this.joined(bytes.subarray(0, end)))
    this.begin(bytes.subarray(end))
  }

  /** Yields the last line, if the body ends without a line feed. */
  *end(): Generator<ReadonlyArray<Line>> {
    this.begin(this.start ?? Buffer.alloc(0))
    if (this.begun.length > 0 || this.isSkipping) yield* this.batches(this.joined(Buffer.from("\n")))
  }

  /**
   * Returns bytes without the byte order mark of the body. Holds bytes back while they may be a part of the byte order
   * mark.
   */
  private afterMark(bytes: Buffer): Buffer {
    if (this.start === undefined) return bytes
    const start = Buffer.concat([this.start, bytes])
    const isCut = start.length < byteOrderMark.length && start.equals(byteOrderMark.subarray(0, start.length))
    this.start = isCut ? start : undefined
    if (isCut) return Buffer.alloc(0)
    return start.subarray(0, byteOrderMark.length).equals(byteOrderMark) ? start.subarray(byteOrderMark.length) : start
  }

  /** Returns the held beginning of a line, followed by the new bytes that continue the line. */
  private joined(bytes: Buffer): Buffer {
    const joined = this.begun.length === 0 ? bytes : Buffer.concat([this.begun, bytes])
    this.begun = Buffer.alloc(0)
    return joined
  }

  /** Holds the beginning of a line. Holds nothing of a line that is too long already. */
  private begin(bytes: Buffer): void {
    if (this.isSkipping || bytes.length === 0) return
    this.isSkipping = this.begun.length + bytes.length > this.lineBytesMax
    this.begun = this.isSkipping ? Buffer.alloc(0) : Buffer.concat([this.begun, bytes])
  }

  /** Yields the lines in bytes whose last byte is a line feed. */
  private *batches(bytes: Buffer): Generator<ReadonlyArray<Line>> {
    // One text for all lines costs a fraction of one text for each line. If the bytes are ASCII, the indexes of the
    // text and of the bytes are equal.
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
    if (text !== undefined) return this.requestOf(text, from, to)
    const line = bytes.subarray(from, to)
    return isUtf8(line) ? this.requestOf(line.toString("utf8"), 0) : notText
  }

  private requestOf(text: string, from: number, to = text.length): Line["read"] | undefined {
    // Most lines begin with a brace, so no pattern has to tell whether these lines are blank.
    if (text[from] !== "{" && blank.test(text.slice(from, to))) return undefined
    return this.reader.read({ what: "line", text, from, to }, this.newId)
  }
}
