import { ForeignAnswer, NoAnswer, type ProblemBody, ProblemError } from "./Failure.ts"
import { linesOf } from "./Lines.ts"
import { type Identified, type NewPurchase, postHeaders, purchaseText, withId } from "./NewPurchase.ts"
import { withUnanswered } from "./Retry.ts"
import { streamNeeds } from "./Runtime.ts"
import { type CallOptions, jsonIn, type Transport } from "./Transport.ts"

/** The most purchases that are sent and have no answer yet. */
export const unansweredMax = 2_000

export interface PostOptions extends CallOptions {
  /**
   * The longest time for which the service waits until a purchase is applied. By default the service does not wait for
   * the application of purchases.
   */
  readonly waitSeconds?: number
}

/** The most purchases that are sent in one chunk of the body. */
const chunkLinesMax = 500

/** The members of an outcome whose purchase is on disk. */
interface Kept {
  readonly userId: string
  readonly purchaseId: string
  /** `true` if the purchase was stored before the request. */
  readonly repeat?: true
}

type Outcome =
  | ({ readonly status: "stored" } & Kept)
  | ({ readonly status: "applied"; readonly runningTotal: string } & Kept)
  /** `refused`: the purchase was not stored. `unknown`: send the purchase again under the same purchaseId. */
  | { readonly status: "refused" | "unknown"; readonly problem: Omit<ProblemBody, "instance"> }

/** The outcome of one of the purchases that a call of `postAll` sends. `index` counts the given purchases from 0. */
export interface PostedLine {
  readonly index: number
  readonly purchase: Identified
  readonly outcome: Outcome
}

/** A line of the service's answer. */
type Line = { readonly line: number } & (
  | Outcome
  | { readonly status: "ended"; readonly problem: Omit<ProblemBody, "instance"> }
)

/** A purchase that was taken from the caller, and its JSON. */
interface Taken {
  readonly purchase: Identified
  readonly text: string
}

/** Waits for a result. Throws the signal's reason if the signal is aborted before the result comes. */
const unlessAborted = async (result: Promise<unknown>, signal: AbortSignal): Promise<void> => {
  signal.throwIfAborted()
  let stop = (): void => undefined
  const aborted = new Promise<void>((resolve) => {
    stop = resolve
  })
  signal.addEventListener("abort", stop, { once: true })
  await Promise.race([result, aborted])
  signal.removeEventListener("abort", stop)
  signal.throwIfAborted()
}

/**
 * The purchases of the caller, one after the other. If a request ends while the client takes a purchase from the
 * caller, the next request gets that purchase.
 */
class Source {
  private readonly iterator: Iterator<NewPurchase> | AsyncIterator<NewPurchase>
  private taking: Promise<Taken | undefined> | undefined
  failure: unknown
  isFailed = false

  constructor(purchases: Iterable<NewPurchase> | AsyncIterable<NewPurchase>) {
    this.iterator = Symbol.asyncIterator in purchases ? purchases[Symbol.asyncIterator]() : purchases[Symbol.iterator]()
  }

  /**
   * Returns the next purchase, and the same purchase again until `kept` is called. Returns `undefined` at the end of
   * the caller's list, or after a failure of the list.
   */
  next(): Promise<Taken | undefined> {
    this.taking ??= this.take()
    return this.taking
  }

  /** After this call, `next` returns the following purchase. */
  kept(): void {
    this.taking = undefined
  }

  /** Takes the first purchase before anything is sent. Throws the failure of the caller's list if the list fails. */
  async open(signal: AbortSignal): Promise<void> {
    await unlessAborted(this.next(), signal)
    if (this.isFailed) throw this.failure
  }

  async close(): Promise<void> {
    await this.iterator.return?.()
  }

  private async take(): Promise<Taken | undefined> {
    try {
      const { done, value } = await this.iterator.next()
      if (done === true) return undefined
      const purchase = withId(value as NewPurchase)
      return { purchase, text: purchaseText(purchase) }
    } catch (thrown) {
      this.failure = thrown
      this.isFailed = true
      return undefined
    }
  }
}

/**
 * The body of one request: first the purchases that earlier requests left without an answer, then the purchases of the
 * source.
 */
class Upload {
  readonly body: ReadableStream<Uint8Array>
  private readonly unanswered: Array<Taken>
  private readonly source: Source
  private sent = 0
  private isOver = false
  private readonly waitingForRoom: Array<() => void> = []
  private readonly onSent: () => void

  constructor(unanswered: Array<Taken>, source: Source, onSent: () => void) {
    this.unanswered = unanswered
    this.source = source
    this.onSent = onSent
    const encoder = new TextEncoder()
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
      const first = await this.next()
      if (this.isOver) return
      if (first === undefined) return controller.close()
      // A chunk of one line costs the network and the edge as much as a chunk of many lines. For this reason all
      // purchases of one turn of the event loop share a chunk.
      let text = this.taken(first)
      const turn = new Promise<undefined>((resolve) => setTimeout(resolve, 0, undefined))
      for (let lines = 1; lines < chunkLinesMax; lines += 1) {
        const next = await Promise.race([this.next(), turn])
        if (this.isOver) return
        if (next === undefined) break
        text += this.taken(next)
      }
      controller.enqueue(encoder.encode(text))
    }
    this.body = new ReadableStream({ pull, cancel: () => this.end() }, { highWaterMark: 0 })
  }

  /** Makes room for another purchase, because the service has answered the first unanswered purchase. */
  answered(): void {
    this.sent -= 1
    this.makeRoom()
  }

  end(): void {
    this.isOver = true
    this.makeRoom()
  }

  private makeRoom(): void {
    for (const resolve of this.waitingForRoom.splice(0)) resolve()
  }

  /**
   * Returns the next purchase to send, and waits while {@link unansweredMax} purchases have no answer. Returns the same
   * purchase again until `taken` is called.
   */
  private async next(): Promise<Taken | undefined> {
    if (this.sent < this.unanswered.length) return this.unanswered[this.sent]
    while (!this.isOver && this.unanswered.length >= unansweredMax) {
      await new Promise<void>((resolve) => this.waitingForRoom.push(resolve))
    }
    return this.source.next()
  }

  /** Counts a purchase as sent, and returns its line. */
  private taken(next: Taken): string {
    if (this.sent === this.unanswered.length) {
      this.source.kept()
      this.unanswered.push(next)
    }
    this.sent += 1
    this.onSent()
    return `${next.text}\n`
  }
}

const path = "/purchases"

/**
 * Yields the outcomes of an answer in the order of the sent purchases. Throws a ForeignAnswer if there are more
 * outcomes than purchases.
 */
async function* outcomesOf(body: Response["body"], upload: Upload, unanswered: Array<Taken>) {
  for await (const text of linesOf(body)) {
    const { line: _line, ...outcome } = jsonIn(text, 200, path) as Line
    if (outcome.status === "ended") throw new ProblemError(outcome.problem, outcome.problem.status)
    const first = unanswered.shift()
    if (first === undefined) throw new ForeignAnswer(200, path)
    upload.answered()
    yield { purchase: first.purchase, outcome }
  }
}

/**
 * Stores purchases through one request. When that request breaks off, sends the purchases without an answer through
 * another request.
 */
export async function* postPurchases(
  transport: Transport,
  purchases: Iterable<NewPurchase> | AsyncIterable<NewPurchase>,
  { waitSeconds, signal }: PostOptions
): AsyncGenerator<PostedLine> {
  transport.requireRuntime(streamNeeds)
  const source = new Source(purchases)
  const unanswered: Array<Taken> = []
  const headers = postHeaders("application/x-ndjson", waitSeconds)
  // The timer of the timeout runs while the service owes an answer. The timer is stopped while the caller works on an
  // answer, or has nothing to send.
  const patience = transport.patience(signal, waitSeconds)
  let isHeld = false
  let index = 0
  try {
    await source.open(patience.signal)
    for (let attempt = 1; ; attempt += 1) {
      const upload = new Upload(unanswered, source, () => isHeld || patience.start())
      const given = new AbortController()
      try {
        const signals = AbortSignal.any([given.signal, patience.signal])
        const { body } = await transport.send(path, { method: "POST", headers, body: upload.body }, signals)
        for await (const answered of outcomesOf(body, upload, unanswered)) {
          attempt = 0
          patience.stop()
          isHeld = true
          yield { index, ...answered }
          isHeld = false
          index += 1
          if (unanswered.length > 0) patience.start()
        }
        if (unanswered.length > 0 || (await source.next()) !== undefined) {
          throw new NoAnswer("the answer ended before all purchases were answered")
        }
        if (source.isFailed) throw source.failure
        return
      } catch (failure) {
        if (source.isFailed && failure === source.failure) throw failure
        await transport.beforeNext(Math.max(1, attempt), failure, patience)
      } finally {
        upload.end()
        given.abort()
      }
    }
  } catch (failure) {
    const sent = unanswered.map(({ purchase }) => purchase)
    throw withUnanswered(failure, { unanswered: sent })
  } finally {
    patience.stop()
    await source.close()
  }
}
