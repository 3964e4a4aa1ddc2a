import type { RawJson } from "../../src/protocol/ExactJson.ts"
import { recordBytesMax } from "./CsvRecords.ts"
import { type FileRecord, type FileRecords, reasonColumn } from "./FileRecord.ts"
import { UnusableFile } from "./UnusableFile.ts"

type JsonObject = Readonly<Record<string, unknown>>

/** Keeps the digits of a number as they are written, so that no amount goes through a float. */
const exact = (_name: string, value: unknown, context?: { readonly source?: string }): unknown =>
  typeof value === "number" && context?.source !== undefined ? JSON.rawJSON(context.source) : value

const isExactNumber = (value: unknown): value is RawJson =>
  typeof value === "object" && value !== null && "rawJSON" in value && typeof value.rawJSON === "string"

/** Returns the text of a member: a string, or the digits of a number. */
const textOf = (value: unknown): string | undefined => {
  if (typeof value === "string") return value
  return isExactNumber(value) ? value.rawJSON : undefined
}

/** Returns the object of a line, or the reason why the line has no object. */
const objectIn = (text: string): JsonObject | string => {
  try {
    const value: unknown = JSON.parse(text, exact)
    if (typeof value === "object" && value !== null && !Array.isArray(value) && !isExactNumber(value)) {
      return value as JsonObject
    }
    return "the line is not a JSON object"
  } catch (failure) {
    return `the line is not JSON: ${(failure as Error).message}`
  }
}

const recordOf = (text: string, line: number): FileRecord => {
  const found = objectIn(text)
  const isRead = typeof found === "object"
  const members = isRead ? found : { text }
  return {
    line,
    size: text.length,
    problem: isRead ? undefined : found,
    text: (column) => (isRead && Object.hasOwn(found, column) ? textOf(found[column]) : undefined),
    refusedLine: (reason, { column, id }) => JSON.stringify({ ...members, [reasonColumn]: reason, [column]: id })
  }
}

/** Yields the lines of a text with their numbers. Throws an UnusableFile if a line is too long. */
async function* linesOf(text: AsyncIterable<string>): AsyncGenerator<readonly [line: string, number: number]> {
  let begun = ""
  let number = 0
  for await (const chunk of text) {
    const lines = (begun + chunk).split("\n")
    begun = lines.pop() ?? ""
    for (const line of lines) yield [line, (number += 1)]
    if (begun.length > recordBytesMax) {
      throw new UnusableFile(`Line ${number + 1} of the file has more than ${recordBytesMax} characters.`)
    }
  }
  yield [begun, number + 1]
}

/** Opens a text with a JSON object in each line. Blank lines are no records. */
export const jsonRecords = (text: AsyncIterable<string>): FileRecords => ({
  columns: undefined,
  refusedHeader: () => undefined,
  records: (async function* () {
    for await (const [line, number] of linesOf(text)) if (line.trim() !== "") yield recordOf(line, number)
  })()
})
