import { addressOf } from "./Address.ts"
import { parseExact } from "./Amount.ts"
import { failureOf, ForeignAnswer, type ProblemBody, ProblemError } from "./Failure.ts"
import { Patience } from "./Patience.ts"
import { isTemporary, retryDefaults, type RetrySettings, retryWaitMilliseconds } from "./Retry.ts"
import { callNeeds, requireOfRuntime } from "./Runtime.ts"

export interface ClientSettings extends Partial<RetrySettings> {
  /** The address of an edge, like `http://127.0.0.1:8081`. */
  readonly url: string
  /**
   * The token that the client sends with each request. If the token is a function, the client calls the function for
   * each request.
   */
  readonly token?: string | (() => string)
  /**
   * The longest time for which a call waits for an answer, over all attempts. After this time the call fails with a
   * `TimedOut`. Without a timeout, only the number of attempts ends a call.
   */
  readonly timeoutMilliseconds?: number
  /** Replaces the runtime's `fetch`. */
  readonly fetch?: (request: Request) => Response | Promise<Response>
  /** Replaces the timer that waits between attempts. */
  readonly sleep?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>
  /** Replaces `Math.random`. Returns a number from 0 to 1. */
  readonly random?: () => number
  /**
   * Called with the failure of each attempt that another attempt follows. `until` is the time at which the call times
   * out, in milliseconds since 1970.
   */
  readonly onRetry?: (failure: Error, waitMilliseconds: number, until: number | undefined) => void
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

/** The JSON of an answer, with exact amounts, and its headers. */
interface JsonAnswer {
  /** `undefined` if the answer has the status 204. */
  readonly body: unknown
  readonly headers: Headers
}

/** Waits for a time. Rejects with the reason of the signal if the signal is aborted during the wait. */
const sleep = (milliseconds: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop)
      resolve()
    }, milliseconds)
    signal?.addEventListener("abort", stop, { once: true })
  })

/** Reads the JSON of an answer. Throws a {@link ForeignAnswer} if the answer is not JSON. */
export const jsonIn = (text: string, status: number, path: string): unknown => {
  try {
    return parseExact(text)
  } catch {
    throw new ForeignAnswer(status, path)
  }
}

/** Returns the problem in the body of an answer; `undefined` if the body is not a problem. */
const problemIn = (text: string): ProblemBody | undefined => {
  try {
    const body = JSON.parse(text) as ProblemBody
    return typeof body.type === "string" && typeof body.detail === "string" ? body : undefined
  } catch {
    return undefined
  }
}

/** Sends the requests of the client. Sends a request again as long as a repetition may succeed. */
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

  /**
   * Returns the patience of a call. Its timeout grows by `waitSeconds`, the time for which the caller asked the service
   * to wait.
   */
  patience(signal: AbortSignal | undefined, waitSeconds = 0): Patience {
    const { timeoutMilliseconds } = this.settings
    return timeoutMilliseconds === undefined
      ? new Patience(undefined, signal)
      : new Patience(timeoutMilliseconds + waitSeconds * 1_000, signal)
  }

  /**
   * Throws an `UnsupportedRuntime` if the runtime lacks one of the needed features. Every call checks the runtime
   * before it sends a request.
   */
  requireRuntime(needs: Parameters<typeof requireOfRuntime>[0] = callNeeds): void {
    requireOfRuntime(this.settings.fetch === undefined ? ["fetch", ...needs] : needs)
  }

  /**
   * Sends a request once. Throws a ProblemError or a ForeignAnswer if the answer is not a success, and a NoAnswer if
   * there is no answer.
   */
  async send(path: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    const streamed = typeof init.body === "object" ? { duplex: "half" as const } : {}
    const request = new Request(this.url + path, { ...init, ...streamed, signal })
    const { token } = this.settings
    if (token !== undefined) {
      request.headers.set("authorization", `Bearer ${typeof token === "function" ? token() : token}`)
    }
    try {
      const response = await (this.settings.fetch ?? fetch)(request)
      if (response.ok) return response
      const problem = problemIn(await response.text())
      const retryAfterMilliseconds = (Number(response.headers.get("retry-after")) || 0) * 1_000
      throw problem === undefined
        ? new ForeignAnswer(response.status, path)
        : new ProblemError(problem, response.status, retryAfterMilliseconds)
    } catch (thrown) {
      throw failureOf(thrown)
    }
  }

  /** Sends a request once, and returns its answer. */
  async answerOnce(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<JsonAnswer> {
    this.requireRuntime()
    const patience = this.patience(signal)
    patience.start()
    try {
      return await this.received(path, init, patience)
    } finally {
      patience.stop()
    }
  }

  /**
   * Sends a request, repeats it as long as a repetition may succeed, and returns its answer. `waitSeconds` has the same
   * meaning as in {@link patience}.
   */
  answer(path: string, init: RequestInit, signal: AbortSignal | undefined, waitSeconds = 0): Promise<JsonAnswer> {
    return this.repeated(signal, waitSeconds, (patience) => this.received(path, init, patience))
  }

  /**
   * Removes the thing at a path, and repeats the request as {@link answer} does. After an attempt without an answer,
   * the problem `not-found` is a success, because that attempt may have removed the thing.
   */
  async remove(path: string, headers: Record<string, string>, signal: AbortSignal | undefined): Promise<void> {
    await this.repeated(signal, 0, async (patience, attempt) => {
      try {
        await this.received(path, { method: "DELETE", headers }, patience)
      } catch (failure) {
        const isGone = failure instanceof ProblemError && failure.kind === "not-found"
        if (!isGone || attempt === 1) throw failure
      }
    })
  }

  /** Returns the body of {@link answer}. */
  async json(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<unknown> {
    return (await this.answer(path, init, signal)).body
  }

  /** Returns the body of {@link answerOnce}. */
  async jsonOnce(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<unknown> {
    return (await this.answerOnce(path, init, signal)).body
  }

  /** Waits until the next attempt is due. Throws the failure of the last attempt if no further attempt may follow. */
  async beforeNext(attempt: number, thrown: unknown, patience: Patience): Promise<void> {
    patience.signal.throwIfAborted()
    const failure = failureOf(thrown)
    if (!isTemporary(failure) || attempt >= this.retry.attemptsMax) throw failure
    patience.failed(failure)
    const asked = failure instanceof ProblemError ? failure.retryAfterMilliseconds : 0
    const milliseconds = retryWaitMilliseconds(attempt, this.retry, this.settings.random ?? Math.random, asked)
    this.settings.onRetry?.(failure, milliseconds, patience.until)
    await (this.settings.sleep ?? sleep)(milliseconds, patience.signal)
  }

  /** Returns the result of the first attempt that succeeds. Repeats an attempt as long as a repetition may succeed. */
  private async repeated<A>(
    signal: AbortSignal | undefined,
    waitSeconds: number,
    attempted: (patience: Patience, attempt: number) => Promise<A>
  ): Promise<A> {
    this.requireRuntime()
    const patience = this.patience(signal, waitSeconds)
    patience.start()
    try {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await attempted(patience, attempt)
        } catch (failure) {
          await this.beforeNext(attempt, failure, patience)
        }
      }
    } finally {
      patience.stop()
    }
  }

  /** Sends a request once, and reads its whole answer. */
  private async received(path: string, init: RequestInit, { signal }: Patience): Promise<JsonAnswer> {
    try {
      const response = await this.send(path, init, signal)
      const { status, headers } = response
      const text = await response.text()
      return { headers, body: status === 204 ? undefined : jsonIn(text, status, path) }
    } catch (thrown) {
      signal.throwIfAborted()
      throw failureOf(thrown)
    }
  }
}
