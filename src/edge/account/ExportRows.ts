import { entryTotal } from "../../account/Entry.ts"
import { decimalFromCents } from "../../account/Money.ts"
import type { LedgerEntry } from "../../protocol/Query.ts"
import { entryBody, instant } from "../contract/AnswerBodies.ts"
import { linesMediaType } from "../contract/AnswerSpec.ts"
import { csvLine, csvMediaType, csvText } from "../contract/Csv.ts"

/** The formats of an export, by the end of the file's name. */
export const exportFormats = ["csv", "ndjson"] as const
export type ExportFormat = (typeof exportFormats)[number]

/** The columns of an export as CSV. */
export const csvColumns = [
  "number",
  "kind",
  "purchaseId",
  "productName",
  "productType",
  "value",
  "quantity",
  "amount",
  "runningTotal",
  "storedAt",
  "reversalId",
  "reason"
] as const

const csvCells = (entry: LedgerEntry): Record<(typeof csvColumns)[number], string> => ({
  number: String(entry.number),
  kind: entry.reversal === undefined ? "purchase" : "reversal",
  purchaseId: csvText(entry.purchaseId),
  productName: csvText(entry.productName),
  productType: csvText(entry.productType),
  value: decimalFromCents(entry.valueCents),
  quantity: String(entry.quantity),
  amount: decimalFromCents(entryTotal(entry)),
  runningTotal: decimalFromCents(entry.totalAfter),
  storedAt: instant(entry.storedAt),
  reversalId: csvText(entry.reversal?.reversalId ?? ""),
  reason: csvText(entry.reversal?.reason ?? "")
})

/** A format of an export: its content type, its first line, and its rows. */
interface RowFormat {
  readonly mediaType: string
  readonly contentType: string
  /** The line before the first row; empty if the format has no such line. */
  readonly head: string
  readonly rowOf: (userId: string, entry: LedgerEntry) => string
}

export const rowFormats: Readonly<Record<ExportFormat, RowFormat>> = {
  csv: {
    mediaType: csvMediaType,
    contentType: `${csvMediaType}; charset=utf-8; header=present`,
    head: csvLine(csvColumns),
    rowOf: (_userId, entry) => {
      const cells = csvCells(entry)
      return csvLine(csvColumns.map((column) => cells[column]))
    }
  },
  ndjson: {
    mediaType: linesMediaType,
    contentType: linesMediaType,
    head: "",
    rowOf: (userId, entry) => `${JSON.stringify(entryBody(userId, entry))}\n`
  }
}

/**
 * Writes a header Content-Disposition with the name of the file (RFC 6266). The header has the exact name, and a name
 * in ASCII for a program that cannot read the exact name.
 */
export const fileDisposition = (userId: string, format: ExportFormat): string => {
  const ascii = userId.replaceAll(/[^A-Za-z0-9@._-]/g, "_")
  const exact = encodeURIComponent(`purchases-${userId}.${format}`).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  )
  return `attachment; filename="purchases-${ascii}.${format}"; filename*=UTF-8''${exact}`
}
