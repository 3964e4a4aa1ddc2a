import { jsonText } from "../../protocol/JsonText.ts"
import { decimalFromCents } from "../../account/Money.ts"
import type { Purchase } from "../../account/Purchase.ts"
import type { LedgerEntry } from "../../protocol/Query.ts"
import { isProblem, type Problem, problemBody } from "../contract/Problem.ts"
import type { Published } from "../../intake/PublishResult.ts"

/** The result of a line whose purchase is stored. If `entry` is present, the purchase is applied as well. */
export interface StoredLine {
  readonly purchase: Purchase
  readonly published: Published
  readonly isRepeat: boolean
  readonly entry?: LedgerEntry | undefined
}

/** The number of a line of the body, and what became of the line. */
export interface LineResult {
  readonly number: number
  readonly result: StoredLine | Problem
}

/** Returns whether the purchase of a line was stored, so that its result is not a problem. */
export const isStored = (result: LineResult["result"]): result is StoredLine => !isProblem(result)

/** Writes the result of a line as a line of the answer, without its line feed. */
export const lineAnswer = ({ number, result }: LineResult): string => {
  if (!isStored(result)) {
    // A purchase whose outcome is unknown may be stored. Any other purchase with a problem is surely not stored.
    const status = result.kind === "outcome-unknown" ? "unknown" : "refused"
    return `{"line":${number},"status":"${status}","problem":${problemBody(result)}}`
  }
  const { purchase, isRepeat, entry } = result
  const status = entry === undefined ? "stored" : "applied"
  const repeat = isRepeat ? `,"repeat":true` : ""
  const total = entry === undefined ? "" : `,"runningTotal":${decimalFromCents(entry.totalAfter)}`
  return `{"line":${number},"status":"${status}","userId":${jsonText(purchase.userId)},"purchaseId":${jsonText(purchase.purchaseId)}${repeat}${total}}`
}

/** Writes the last line of an answer that ends before the body does. `line` is the last line that was answered. */
export const endAnswer = (line: number, why: Problem): string => {
  const certain = line === 0 ? "No line was answered" : `Lines up to ${line} are answered above`
  const detail = `${why.detail} ${certain}; nothing after that was stored.`
  return `{"line":${line},"status":"ended","problem":${problemBody(why.withDetail(detail))}}`
}
