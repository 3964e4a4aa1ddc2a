/**
 * The name of the column with the reason, in a file of refused records. An import ignores the column with the reason.
 */
export const reasonColumn = "refusedBecause"

/** The id that a refused record gets in the file of refused records. */
export interface RecordId {
  readonly column: string
  readonly id: string
}

/** One record of a file. */
export interface FileRecord {
  /** The line on which the record ends, from 1. */
  readonly line: number
  /** The number of characters that the record takes, roughly. */
  readonly size: number
  /** The reason why the record cannot be read; `undefined` if the record can be read. */
  readonly problem: string | undefined
  /** Returns the text of a column; `undefined` if the record has no such text. */
  readonly text: (column: string) => string | undefined
  /**
   * Returns the record as a line of a file of refused records, with its reason. The line has the id that the record
   * would have got, so that the mended record counts once however often it is sent.
   */
  readonly refusedLine: (reason: string, id: RecordId) => string
}

/** The records of an opened file. */
export interface FileRecords {
  /** The names of all columns; `undefined` if each record names its own columns. */
  readonly columns: ReadonlyArray<string> | undefined
  /** Returns the first line of a file of refused records; `undefined` if such a file has no first line of its own. */
  readonly refusedHeader: (idColumn: string) => string | undefined
  readonly records: AsyncIterable<FileRecord>
}
