import { pipeline, Readable } from "node:stream"
import { CsvError, type InfoRecord, parse } from "csv-parse"
import { type FileRecord, type FileRecords, reasonColumn } from "./FileRecord.ts"
import { UnusableFile } from "./UnusableFile.ts"

/** The most bytes of one record. */
export const recordBytesMax = 1024 * 1024

interface Row {
  readonly info: InfoRecord
  readonly record: ReadonlyArray<string>
}

/** Writes the cells of a row after RFC 4180. */
const csvLine = (cells: ReadonlyArray<string>, delimiter: string): string =>
  cells
    .map((cell) => (cell.includes(delimiter) || /["\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(delimiter)

/** Returns the columns of a file of refused records: the columns of the file, with the added columns in front. */
const refusedColumns = (columns: ReadonlyArray<string>, idColumn: string): ReadonlyArray<string> => [
  ...[reasonColumn, idColumn].filter((name) => !columns.includes(name)),
  ...columns
]

const problemOf = (cells: number, columns: number): string | undefined =>
  cells === columns ? undefined : `the line has ${cells} cells, and the first line has ${columns}`

const recordOf = ({ info, record }: Row, columns: ReadonlyArray<string>, delimiter: string): FileRecord => ({
  line: info.lines,
  size: record.reduce((sum, cell) => sum + cell.length, 0),
  problem: problemOf(record.length, columns.length),
  text: (column) => record[columns.indexOf(column)],
  refusedLine: (reason, { column, id }) => {
    const cells = [
      ...refusedColumns(columns, column)
        .slice(0, -columns.length)
        .map(() => ""),
      ...record
    ]
    const written = refusedColumns(columns, column)
    cells[written.indexOf(reasonColumn)] = reason
    cells[written.indexOf(column)] = id
    return csvLine(
      Array.from(cells, (cell) => cell ?? ""),
      delimiter
    )
  }
})

/** Yields the rows of a CSV text. Throws an UnusableFile if the text is not CSV. */
async function* rowsOf(text: AsyncIterable<string>, delimiter: string): AsyncGenerator<Row> {
  const parser = parse({
    delimiter,
    info: true,
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: recordBytesMax
  })
  // A failure of the text destroys the parser, and a reader that stops early ends the text.
  pipeline(Readable.from(text), parser, () => undefined)
  try {
    yield* parser as AsyncIterable<Row>
  } catch (failure) {
    throw failure instanceof CsvError ? new UnusableFile(`The file is not CSV: ${failure.message}.`) : failure
  }
}

/**
 * Opens a CSV text, whose first line has the names of the columns. Throws an UnusableFile if the text has no first
 * line.
 */
export const csvRecords = async (text: AsyncIterable<string>, delimiter: string): Promise<FileRecords> => {
  const rows = rowsOf(text, delimiter)
  const first = await rows.next()
  if (first.done === true) throw new UnusableFile("The file is empty: its first line has to name the columns.")
  const columns = first.value.record
  const twice = columns.find((name, index) => columns.indexOf(name) !== index)
  if (twice !== undefined) {
    await rows.return(undefined)
    throw new UnusableFile(`The first line names the column "${twice}" twice. Give each column a name of its own.`)
  }
  return {
    columns,
    refusedHeader: (idColumn) => csvLine(refusedColumns(columns, idColumn), delimiter),
    records: (async function* () {
      for await (const row of rows) yield recordOf(row, columns, delimiter)
    })()
  }
}
