import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { extname } from "node:path"
import { csvRecords } from "./CsvRecords.ts"
import type { FileRecords } from "./FileRecord.ts"
import { jsonRecords } from "./JsonRecords.ts"
import { codeOf, UnusableFile } from "./UnusableFile.ts"

export const formats = ["csv", "ndjson"] as const
export type Format = (typeof formats)[number]

const formatsByEnding: Readonly<Record<string, Format>> = { ".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson" }

/** Returns the format that the ending of a file's name tells. Throws an UnusableFile if the ending tells no format. */
export const formatOf = (path: string): Format => {
  const format = formatsByEnding[extname(path).toLowerCase()]
  if (format === undefined) {
    throw new UnusableFile(`The format of ${path} is not known by its name. Say --format csv or --format ndjson.`)
  }
  return format
}

/** A file of purchases, which is read as often as needed. A read of the file holds a few records at a time. */
export class ImportFile {
  readonly path: string
  private readonly format: Format
  private readonly delimiter: string
  /** The SHA-256 of the content in hexadecimal digits, after the newest read to the end. */
  hash = ""

  constructor(path: string, format: Format, delimiter: string) {
    this.path = path
    this.format = format
    this.delimiter = delimiter
  }

  /**
   * Reads the file from its beginning. Throws an UnusableFile, now or while records are taken, if the file cannot be
   * read.
   */
  async open(): Promise<FileRecords> {
    return this.format === "csv" ? csvRecords(this.text(), this.delimiter) : jsonRecords(this.text())
  }

  /** Yields the text of the file. Throws an UnusableFile if the file cannot be read, or is not UTF-8. */
  private async *text(): AsyncGenerator<string> {
    const decoder = new TextDecoder("utf-8", { fatal: true })
    const hash = createHash("sha256")
    try {
      for await (const bytes of createReadStream(this.path) as AsyncIterable<Buffer>) {
        hash.update(bytes)
        yield decoder.decode(bytes, { stream: true })
      }
      yield decoder.decode()
    } catch (failure) {
      if (codeOf(failure) === "ERR_ENCODING_INVALID_ENCODED_DATA") {
        throw new UnusableFile(`${this.path} is not UTF-8. Save it as UTF-8 first.`)
      }
      throw failure instanceof Error && "syscall" in failure
        ? new UnusableFile(`${this.path} cannot be read: ${failure.message}.`)
        : failure
    }
    this.hash = hash.digest("hex")
  }
}
