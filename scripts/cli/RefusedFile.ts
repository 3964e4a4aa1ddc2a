import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  writeSync
} from "node:fs"
import { UnusableFile } from "./UnusableFile.ts"

/**
 * The file of refused records. Until the import is done, the refused records are in another file, whose name ends with
 * `.part`. A file of refused records is thus always whole, and is never written over.
 */
export class RefusedFile {
  readonly path: string
  private readonly part: string
  private readonly header: string | undefined
  private readonly file: number
  /** The number of bytes that are written to the file. */
  bytes: number

  private constructor(path: string, header: string | undefined, file: number, bytes: number) {
    this.path = path
    this.part = `${path}.part`
    this.header = header
    this.file = file
    this.bytes = bytes
  }

  /**
   * Opens the file behind its first `bytes` bytes, which an earlier run has written. Throws an UnusableFile if the
   * final file exists already, or if the file cannot be written.
   */
  static open(path: string, header: string | undefined, bytes: number): RefusedFile {
    if (existsSync(path)) {
      throw new UnusableFile(`${path} of --refused exists already. Name another file, or remove it.`)
    }
    const part = `${path}.part`
    try {
      const file = openSync(part, bytes === 0 ? "w" : "r+", 0o600)
      if (fstatSync(file).size < bytes) {
        throw new UnusableFile(`${part} lacks lines that an earlier run has written. Remove the file of --state.`)
      }
      ftruncateSync(file, bytes)
      return new RefusedFile(path, header, file, bytes)
    } catch (failure) {
      if (failure instanceof UnusableFile) throw failure
      throw new UnusableFile(`${part} of --refused cannot be written: ${(failure as Error).message}.`)
    }
  }

  /** Puts the file of a run that is done in its place, if the run ended before it put the file there. */
  static settle(path: string): void {
    if (!existsSync(path) && existsSync(`${path}.part`)) renameSync(`${path}.part`, path)
  }

  /** Writes lines, and returns when they are on the disk. */
  append(lines: ReadonlyArray<string>): void {
    if (lines.length === 0) return
    const header = this.bytes === 0 && this.header !== undefined ? [this.header] : []
    const text = Buffer.from([...header, ...lines, ""].join("\n"))
    for (let written = 0; written < text.length;) {
      written += writeSync(this.file, text, written, text.length - written, this.bytes + written)
    }
    fsyncSync(this.file)
    this.bytes += text.length
  }

  /** Closes the file. Puts the file in its place, or removes the file if it is empty. */
  finish(): void {
    closeSync(this.file)
    if (this.bytes > 0) renameSync(this.part, this.path)
    else rmSync(this.part)
  }
}
