import { parseExact } from "./Amount.ts"
import type { ProblemBody } from "./Answers.ts"
import { failureOf, ForeignAnswer, ProblemError } from "./Failure.ts"
import { isPassing, retryDefaults, type RetrySettings, retryWait } from "./Retry.ts"

export interface ClientSettings extends Partial<RetrySettings> {
  /** Where an edge listens, like `http://127.0.0.1:8081`. */
  readonly url: string
  /** What sends requests, instead of the runtime's `fetch`. */
  readonly fetch?: (request: Request) => Response | Promise<Response>
  /** What waits, instead of a timer. */
  readonly sleep?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>
  /** A number from 0 to 1, instead of `Math.random`. */
  readonly random?: () => number
  /** Told of each failure that is followed by another attempt. */
  readonly onRetry?: (failure: Error, waitMilliseconds: number) => void
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
    this.url = settings.url.replace(/\/+$/, "")
    const { attemptsMax, waitMilliseconds, waitMaxMilliseconds } = { ...retryDefaults, ...settings }
    this.retry = { attemptsMax, waitMilliseconds, waitMaxMilliseconds }
  }

  /** Sends a request once. An answer that is none of success is thrown as what it is. */
  async send(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<Response> {
    const streamed = init.body instanceof ReadableStream ? { duplex: "half" as const } : {}
    const request = new Request(this.url + path, { ...init, ...streamed, signal: signal ?? null })
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

  async answerOnce(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<Answer> {
    const response = await this.send(path, init, signal)
    const text = await response.text().catch((thrown: unknown) => Promise.reject(failureOf(thrown)))
    return { body: parseExact(text), headers: response.headers }
  }

  /** The same, sent again while that may help. */
  async answer(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.answerOnce(path, init, signal)
      } catch (failure) {
        await this.beforeNext(attempt, failure, signal)
      }
    }
  }

  /** The body of {@link answer}. */
  async json(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<unknown> {
    return (await this.answer(path, init, signal)).body
  }

  /** The body of {@link answerOnce}. */
  async jsonOnce(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<unknown> {
    return (await this.answerOnce(path, init, signal)).body
  }

  /** Waits until another attempt is due, or throws the failure of this one where there shall be none. */
  async beforeNext(attempt: number, thrown: unknown, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    const failure = failureOf(thrown)
    if (!isPassing(failure) || attempt >= this.retry.attemptsMax) throw failure
    const asked = failure instanceof ProblemError ? failure.retryAfterMilliseconds : 0
    const wait = retryWait(attempt, this.retry, this.settings.random ?? Math.random, asked)
    this.settings.onRetry?.(failure, wait)
    await (this.settings.sleep ?? sleepAwhile)(wait, signal)
  }
}
