import { jsonText } from "../../protocol/JsonText.ts"
import { decimalFromCents } from "../../account/Money.ts"
import { type EntryRequest, isReversalRequest } from "../../account/Entry.ts"
import type { LedgerEntry } from "../../protocol/Query.ts"
import { isProblem, type Problem, problemBody } from "../contract/Problem.ts"
import type { Published } from "../../intake/PublishResult.ts"

/**
 * The result of a line whose purchase or reversal is stored. If `entry` is present, the purchase or reversal is
 * applied.
 */
export interface StoredLine {
  readonly request: EntryRequest
  readonly published: Published
  readonly isRepeat: boolean
  readonly entry?: LedgerEntry | undefined
}

/** The number of a line of the body, and the result of the line. */
export interface LineResult {
  readonly number: number
  readonly result: StoredLine | Problem
}

/** Returns whether the purchase or reversal of a line was stored, so that the result of the line is not a problem. */
export const isStored = (result: LineResult["result"]): result is StoredLine => !isProblem(result)

/** Writes the result of a line as a line of the answer, without its line feed. */
export const lineAnswer = ({ number, result }: LineResult): string => {
  if (!isStored(result)) {
    // A line whose outcome is unknown may be stored. The purchase or reversal of any other line with a problem is
    // surely not applied.
    const status = result.kind === "outcome-unknown" ? "unknown" : "refused"
    return `{"line":${number},"status":"${status}","problem":${problemBody(result)}}`
  }
  const { request, isRepeat, entry } = result
  const status = entry === undefined ? "stored" : "applied"
  const repeat = isRepeat ? `,"repeat":true` : ""
  const total = entry === undefined ? "" : `,"runningTotal":${decimalFromCents(entry.totalAfter)}`
  const reversal = isReversalRequest(request) ? `,"reversalId":${jsonText(request.reversalId)}` : ""
  return `{"line":${number},"status":"${status}","userId":${jsonText(request.userId)},"purchaseId":${jsonText(request.purchaseId)}${reversal}${repeat}${total}}`
}

/** Writes the last line of an answer that ends before the body does. `line` is the last line that was answered. */
export const endAnswer = (line: number, why: Problem): string => {
  const certain = line === 0 ? "No line was answered" : `Lines up to ${line} are answered above`
  const detail = `${why.detail} ${certain}; nothing after that was stored.`
  return `{"line":${line},"status":"ended","problem":${problemBody(why.withDetail(detail))}}`
}
