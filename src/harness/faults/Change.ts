import type { Ask } from "../system/Shopper.ts"
import type { Completed, Invoked } from "./LogLine.ts"
import type { RunLog } from "./RunLog.ts"
import type { Shop } from "./Shoppers.ts"

/**
 * The time that a client waits for an answer, in milliseconds. After this time the outcome of the request is unknown.
 */
const answerWithin = 15_000

type Outcome = Omit<Completed, "operation" | "at">

/** A request of a client that changes a rule or a webhook. */
export interface Change {
  /** The request in the operation log. */
  readonly logged: Parameters<RunLog["begin"]>[0] & { readonly does: Extract<Invoked["does"], `change a ${string}`> }
  readonly path: string
  readonly method: "PUT" | "DELETE"
  /** The JSON text of the body; `undefined` for a request without a body. */
  readonly body: string | undefined
  /** The statuses that say that nothing was changed. */
  readonly refused: ReadonlyArray<number>
  /** Returns what the log keeps of the body of an answer with the status 200 or 201. */
  readonly kept: (text: string) => Pick<Outcome, "sequence">
}

/** The answer to a change. */
export interface ChangeAnswer {
  readonly outcome: Outcome["outcome"]
  /** The body of an answer with the status 200 or 201; `undefined` for other answers. */
  readonly text: string | undefined
}

const outcomeOf = (
  { refused, kept, logged }: Change,
  status: number,
  text: string,
  unexpected: Array<string>
): Outcome => {
  if (status === 200 || status === 201) return { outcome: "ok", status, ...kept(text) }
  if (status === 204) return { outcome: "ok", status }
  if (refused.includes(status)) return { outcome: "fail", status }
  if (status !== 504) unexpected.push(`${logged.does}: ${status} ${text.slice(0, 300)}`)
  return { outcome: "info", status }
}

const answerOf = async (
  change: Change,
  ask: Ask,
  unexpected: Array<string>
): Promise<{ readonly outcome: Outcome; readonly text?: string }> => {
  const { path, method, body } = change
  try {
    const response = await ask(path, {
      method,
      signal: AbortSignal.timeout(answerWithin),
      ...(body === undefined ? {} : { body, headers: { "content-type": "application/json" } })
    })
    const text = await response.text()
    return { outcome: outcomeOf(change, response.status, text, unexpected), text }
  } catch {
    // The connection may have broken after the change was stored, so the outcome is unknown.
    return { outcome: { outcome: "info" } }
  }
}

/**
 * Sends a change through an edge, and writes the request and the answer to the operation log. Adds an answer that no
 * planned fault explains to `unexpected`.
 */
export const sendChange = async (
  log: RunLog,
  { ask }: Shop,
  change: Change,
  unexpected: Array<string>
): Promise<ChangeAnswer> => {
  const operation = log.begin(change.logged)
  const { outcome, text } = await answerOf(change, ask, unexpected)
  log.end(operation, outcome)
  const { status } = outcome
  return { outcome: outcome.outcome, text: status === 200 || status === 201 ? text : undefined }
}
