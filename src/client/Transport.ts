import { addressOf } from "./Address.ts"
import { parseExact } from "./Amount.ts"
import type { ProblemBody } from "./Answers.ts"
import { failureOf, ForeignAnswer, ProblemError } from "./Failure.ts"
import { Patience } from "./Patience.ts"
import { isPassing, retryDefaults, type RetrySettings, retryWait } from "./Retry.ts"
import { callNeeds, requireOfRuntime } from "./Runtime.ts"

export interface ClientSettings extends Partial<RetrySettings> {
  /** Where an edge listens, like `http://127.0.0.1:8081`. */
  readonly url: string
  /**
   * How long a call may go without an answer, repetitions included, in milliseconds. Then it fails with a `TimedOut`.
   * Without it the number of attempts alone ends a call.
   */
  readonly timeoutMilliseconds?: number
  /** What sends requests, instead of the runtime's `fetch`. */
  readonly fetch?: (request: Request) => Response | Promise<Response>
  /** What waits, instead of a timer. */
  readonly sleep?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>
  /** A number from 0 to 1, instead of `Math.random`. */
  readonly random?: () => number
  /**
   * Is told of each failure that is followed by another attempt. `until` is when the call times out, in milliseconds
   * since 1970.
   */
  readonly onRetry?: (failure: Error, waitMilliseconds: number, until: number | undefined) => void
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

/** The JSON of an answer, with exact amounts, and what its headers say. */
interface Answer {
  readonly body: unknown
  readonly headers: Headers
}

const sleepAwhile = (milliseconds: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop)
      resolve()
    }, milliseconds)
    signal?.addEventListener("abort", stop, { once: true })
  })

/** Reads the JSON of an answer. Throws a {@link ForeignAnswer} if it is not JSON. */
export const jsonIn = (text: string, status: number, path: string): unknown => {
  try {
    return parseExact(text)
  } catch {
    throw new ForeignAnswer(status, path)
  }
}

const problemIn = (text: string): ProblemBody | undefined => {
  try {
    const body = JSON.parse(text) as ProblemBody
    return typeof body.type === "string" && typeof body.detail === "string" ? body : undefined
  } catch {
    return undefined
  }
}

/** Sends requests, and says which are sent again, and when. */
export class Transport {
  private readonly settings: ClientSettings
  private readonly retry: RetrySettings
  private readonly url: string

  constructor(settings: ClientSettings) {
    this.settings = settings
    this.url = addressOf(settings.url)
    const { attemptsMax, waitMilliseconds, waitMaxMilliseconds } = { ...retryDefaults, ...settings }
    this.retry = { attemptsMax, waitMilliseconds, waitMaxMilliseconds }
  }

  /** Returns what counts the time of a call; `extraSeconds` is how long the service was asked to wait. */
  patience(signal: AbortSignal | undefined, extraSeconds = 0): Patience {
    const { timeoutMilliseconds } = this.settings
    const milliseconds = timeoutMilliseconds === undefined ? undefined : timeoutMilliseconds + extraSeconds * 1_000
    return new Patience(milliseconds, signal)
  }

  /** Throws an `UnsupportedRuntime` if the runtime lacks something. Every call asks this before it sends. */
  requireRuntime(needs: Parameters<typeof requireOfRuntime>[0] = callNeeds): void {
    requireOfRuntime(this.settings.fetch === undefined ? ["fetch", ...needs] : needs)
  }

  /** Sends a request once. An answer other than success is thrown as a problem or as a foreign answer. */
  async send(path: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    const streamed = typeof init.body === "object" ? { duplex: "half" as const } : {}
    const request = new Request(this.url + path, { ...init, ...streamed, signal })
    try {
      const response = await (this.settings.fetch ?? fetch)(request)
      if (response.ok) return response
      const problem = problemIn(await response.text())
      const retryAfter = (Number(response.headers.get("retry-after")) || 0) * 1_000
      throw problem === undefined
        ? new ForeignAnswer(response.status, path)
        : new ProblemError(problem, response.status, retryAfter)
    } catch (thrown) {
      throw failureOf(thrown)
    }
  }

  /** Sends a request once, and returns its answer. */
  async answerOnce(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<Answer> {
    this.requireRuntime()
    const patience = this.patience(signal)
    patience.start()
    try {
      return await this.received(path, init, patience)
    } finally {
      patience.stop()
    }
  }

  /** Does the same, and sends the request again while that may help. `waitSeconds` is what the service was told to wait. */
  async answer(path: string, init: RequestInit, signal: AbortSignal | undefined, waitSeconds = 0): Promise<Answer> {
    this.requireRuntime()
    const patience = this.patience(signal, waitSeconds)
    patience.start()
    try {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await this.received(path, init, patience)
        } catch (failure) {
          await this.beforeNext(attempt, failure, patience)
        }
      }
    } finally {
      patience.stop()
    }
  }

  /** Returns the body of {@link answer}. */
  async json(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<unknown> {
    return (await this.answer(path, init, signal)).body
  }

  /** Returns the body of {@link answerOnce}. */
  async jsonOnce(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<unknown> {
    return (await this.answerOnce(path, init, signal)).body
  }

  /** Waits until another attempt is due, or throws the failure of this one if there shall not be another. */
  async beforeNext(attempt: number, thrown: unknown, patience: Patience): Promise<void> {
    patience.signal.throwIfAborted()
    const failure = failureOf(thrown)
    if (!isPassing(failure) || attempt >= this.retry.attemptsMax) throw failure
    patience.failed(failure)
    const asked = failure instanceof ProblemError ? failure.retryAfterMilliseconds : 0
    const wait = retryWait(attempt, this.retry, this.settings.random ?? Math.random, asked)
    this.settings.onRetry?.(failure, wait, patience.until)
    await (this.settings.sleep ?? sleepAwhile)(wait, patience.signal)
  }

  /** Sends a request, and reads its answer whole. */
  private async received(path: string, init: RequestInit, { signal }: Patience): Promise<Answer> {
    try {
      const response = await this.send(path, init, signal)
      return { body: jsonIn(await response.text(), response.status, path), headers: response.headers }
    } catch (thrown) {
      signal.throwIfAborted()
      throw failureOf(thrown)
    }
  }
}
