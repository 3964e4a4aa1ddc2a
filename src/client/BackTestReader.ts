import type { WouldBeAlert } from "./Answers.ts"
import { NoAnswer } from "./Failure.ts"
import { linesOf } from "./Lines.ts"
import { lineNeeds } from "./Runtime.ts"
import { type CallOptions, jsonIn, type Transport } from "./Transport.ts"

/** The longest time for which the service reads the journal for one request of a back-test, in seconds. */
const requestSeconds = 10

export interface BackTestOptions extends CallOptions {
  /**
   * The rule judges purchases that were applied at this time or later. By default this time is 30 days before the end
   * of the range.
   */
  readonly from?: string
  /** The rule judges purchases that were applied before this time. By default the range ends with the newest purchase. */
  readonly to?: string
}

/** An event of a back-test: the rule, an alert that the rule would have given, or the progress of the back-test. */
export type BackTestEvent =
  /** The first event: the rule as a sentence. */
  | { readonly kind: "rule"; readonly inWords: string }
  | { readonly kind: "alert"; readonly alert: WouldBeAlert }
  /**
   * The numbers of matches and of judged purchases up to now. If `isComplete` is `true`, the back-test has no further
   * event.
   */
  | { readonly kind: "progress"; readonly matches: number; readonly purchases: number; readonly isComplete: boolean }

/** The first line of the answer to a request. */
interface RuleLine {
  readonly inWords: string
}

/** The last line of the answer to a request. */
interface EndLine {
  readonly matches: number
  readonly purchases: number
  readonly next?: string
}

/** A request of a back-test. `pathAfter` returns the path of the request that continues the back-test at a `next`. */
export interface BackTestCall {
  readonly path: string
  readonly pathAfter: (next: string) => string
  readonly init: RequestInit
}

/**
 * Yields the lines of the answer to a request: the rule, the alerts, and last the numbers. Throws a NoAnswer if the
 * answer breaks off.
 */
async function* linesIn(transport: Transport, path: string, init: RequestInit, signal: AbortSignal) {
  const { body } = await transport.send(path, init, signal)
  for await (const text of linesOf(body)) {
    const line = jsonIn(text, 200, path) as RuleLine | WouldBeAlert | EndLine
    yield line
    if ("matches" in line) return
  }
  throw new NoAnswer("the answer ended before its last line")
}

/**
 * Yields the result of a back-test, request by request. When an answer breaks off, the client sends the request again,
 * and skips the alerts that the caller has got.
 */
export async function* readBackTest(
  transport: Transport,
  { path, pathAfter, init }: BackTestCall,
  { signal }: CallOptions
): AsyncGenerator<BackTestEvent> {
  transport.requireRuntime(lineNeeds)
  const patience = transport.patience(signal, requestSeconds)
  let [matches, purchases] = [0, 0]
  let given = 0
  let isRuleGiven = false
  let asked = path
  try {
    for (let attempt = 1; ; attempt += 1) {
      const over = new AbortController()
      try {
        patience.start()
        let index = 0
        for await (const line of linesIn(transport, asked, init, AbortSignal.any([over.signal, patience.signal]))) {
          attempt = 0
          patience.stop()
          if ("inWords" in line) {
            if (!isRuleGiven) yield { kind: "rule", ...line }
            isRuleGiven = true
            patience.start()
          } else if ("matches" in line) {
            matches += line.matches
            purchases += line.purchases
            given = 0
            yield { kind: "progress", matches, purchases, isComplete: line.next === undefined }
            if (line.next === undefined) return
            asked = pathAfter(line.next)
          } else {
            index += 1
            if (index <= given) continue
            given = index
            yield { kind: "alert", alert: line }
            patience.start()
          }
        }
      } catch (failure) {
        await transport.beforeNext(Math.max(1, attempt), failure, patience)
      } finally {
        over.abort()
      }
    }
  } finally {
    patience.stop()
  }
}
