export const csvMediaType = "text/csv"

/**
 * Matches a text that a spreadsheet would take for a formula. A text matches if its first visible character can begin a
 * formula, also in full width. A text that begins with a tab or a line break matches in any case.
 */
const formula = /^(?:[\t\r\n]|\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/u

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/**
 * Writes a text as a cell after RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe in
 * front, so that the spreadsheet shows the text.
 */
export const csvText = (text: string): string => quoted(formula.test(text) ? `'${text}` : text)

/** Writes cells as a line. The cells are numbers, times, or texts that {@link csvText} wrote. */
export const csvLine = (cells: ReadonlyArray<string>): string => `${cells.join(",")}\r\n`
