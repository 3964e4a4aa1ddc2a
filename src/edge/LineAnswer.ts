import { jsonText } from "../domain/JsonText.ts"
import { decimalFromCents } from "../domain/Money.ts"
import type { Purchase } from "../domain/Purchase.ts"
import type { LedgerEntry } from "../domain/Query.ts"
import { isProblem, type Problem, problemBody } from "./Problem.ts"
import type { Published } from "./PublishResult.ts"

/** A purchase of a line that is stored, and applied where there is an entry. */
export interface StoredLine {
  readonly purchase: Purchase
  readonly published: Published
  readonly isRepeat: boolean
  readonly entry?: LedgerEntry | undefined
}

/** What became of a line. */
export interface LineResult {
  readonly number: number
  readonly result: StoredLine | Problem
}

export const isStored = (result: LineResult["result"]): result is StoredLine => !isProblem(result)

/** The line of the answer that says what became of a line, without its line feed. */
export const lineAnswer = ({ number, result }: LineResult): string => {
  if (!isStored(result)) {
    // A purchase whose outcome is not known may be stored; all others are surely not.
    const status = result.kind === "outcome-unknown" ? "unknown" : "refused"
    return `{"line":${number},"status":"${status}","problem":${problemBody(result)}}`
  }
  const { purchase, isRepeat, entry } = result
  const status = entry === undefined ? "stored" : "applied"
  const repeat = isRepeat ? `,"repeat":true` : ""
  const total = entry === undefined ? "" : `,"runningTotal":${decimalFromCents(entry.totalAfter)}`
  return `{"line":${number},"status":"${status}","userId":${jsonText(purchase.userId)},"purchaseId":${jsonText(purchase.purchaseId)}${repeat}${total}}`
}

/** The last line of an answer that ends before the body does; `line` is the last that was answered. */
export const endAnswer = (line: number, why: Problem): string => {
  const certain = line === 0 ? "No line was answered" : `Lines up to ${line} are answered above`
  const detail = `${why.detail} ${certain}; nothing after that was stored.`
  return `{"line":${line},"status":"ended","problem":${problemBody(why.withDetail(detail))}}`
}
