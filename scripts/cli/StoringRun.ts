import { setTimeout as sleep } from "node:timers/promises"
import type { NewPurchase } from "../../src/client/NewPurchase.ts"
import { ProblemError } from "../../src/client/Failure.ts"
import { Patience } from "../../src/client/Patience.ts"
import type { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { isTemporary, retryDefaults, retryWaitMilliseconds } from "../../src/client/Retry.ts"

type OnRetry = (failure: Error, waitMilliseconds: number, until: number | undefined) => void

interface RunSettings {
  /** Makes a client that reports its retries. */
  readonly clientTelling: (onRetry: OnRetry) => PurchaseClient
  readonly signal: AbortSignal
  /** The longest time in which no further purchase is settled (stored or refused), in milliseconds. */
  readonly timeoutMilliseconds: number
  readonly onRetry: OnRetry
  /** Is called for each purchase that the service refuses. */
  readonly onRefused?: (number: number, reason: string) => void
  /** Whether a purchase counts as stored only when it is applied. */
  readonly untilApplied?: boolean
}

/** The longest time for which the service is asked to wait until the purchases of a request are applied. */
const waitSecondsMax = 10

const waitSecondsOf = (timeoutMilliseconds: number): number =>
  Math.max(1, Math.min(waitSecondsMax, Math.floor(timeoutMilliseconds / 1_000)))

const notApplied = new Error("Some purchases are stored, and not applied yet.")

/**
 * Stores the purchases 1 to `count`. Sends purchases again that the service could not take, until the timeout is over.
 */
export class StoringRun {
  private readonly count: number
  private readonly purchase: (number: number) => NewPurchase
  /** The number of the next purchase that was not sent yet. */
  private next = 1
  private again: Array<number> = []
  private sent = 0
  private answered = 0
  stored = 0
  refused = 0
  /** The numbers of the purchases that are stored, and were not applied when the service answered. */
  readonly unapplied = new Set<number>()
  /** The message of the first refusal; `undefined` if no purchase was refused. */
  refusal: string | undefined

  constructor(count: number, purchase: (number: number) => NewPurchase) {
    this.count = count
    this.purchase = purchase
  }

  /** The number of purchases that are known to be stored or refused. */
  get settled(): number {
    return this.stored + this.refused
  }

  /** The most purchases that may be stored beyond the purchases that are known to be stored. */
  get open(): number {
    return this.sent - this.answered + this.again.length
  }

  /**
   * Stores all purchases. Throws a TimedOut if no purchase was settled for the timeout. Throws the reason of the signal
   * if the signal is aborted.
   */
  async store(settings: RunSettings): Promise<void> {
    const patience = new Patience(settings.timeoutMilliseconds, settings.signal)
    const failed = (failure: Error, wait: number) => {
      patience.failed(failure)
      settings.onRetry(failure, wait, patience.until)
    }
    const client = settings.clientTelling(failed)
    const onSettled = () => {
      patience.stop()
      patience.start()
    }
    patience.start()
    try {
      for (let attempt = 1; ; attempt += 1) {
        const settledBefore = this.settled
        const failure = await this.round(client, patience.signal, onSettled, settings)
        if (failure === undefined) return
        if (this.settled > settledBefore) attempt = 1
        const wait = retryWaitMilliseconds(attempt, retryDefaults, Math.random)
        failed(failure, wait)
        await sleep(wait, undefined, { signal: patience.signal }).catch(() => patience.signal.throwIfAborted())
      }
    } finally {
      patience.stop()
    }
  }

  /**
   * Sends purchases until all are sent, or until a purchase has to be sent again. Returns why the first of these
   * purchases has to be sent again; `undefined` if no purchase has to.
   */
  private async round(
    client: PurchaseClient,
    signal: AbortSignal,
    onSettled: () => void,
    { onRefused, untilApplied = false, timeoutMilliseconds }: RunSettings
  ): Promise<Error | undefined> {
    const options = untilApplied ? { signal, waitSeconds: waitSecondsOf(timeoutMilliseconds) } : { signal }
    let failure: Error | undefined
    const again = this.again
    this.again = []
    const isWanted = () => failure === undefined
    const unanswered: Array<number> = []
    try {
      for await (const { outcome } of client.postAll(this.wanted(again, unanswered, isWanted), options)) {
        this.answered += 1
        // The outcomes come in the order of the purchases.
        const number = unanswered.shift() ?? 0
        const problem = "problem" in outcome ? new ProblemError(outcome.problem, outcome.problem.status) : undefined
        if (problem !== undefined && isTemporary(problem)) {
          this.again.push(number)
          failure ??= problem
          continue
        }
        if (untilApplied && outcome.status === "stored") {
          this.again.push(number)
          this.unapplied.add(number)
          failure ??= notApplied
          continue
        }
        this.unapplied.delete(number)
        if (problem === undefined) this.stored += 1
        else {
          this.refuse(problem)
          onRefused?.(number, problem.message)
        }
        onSettled()
      }
    } finally {
      this.again.push(...again)
    }
    return failure
  }

  private refuse({ message }: ProblemError): void {
    this.refused += 1
    this.refusal ??= message
  }

  /**
   * Yields the purchases to send again, followed by new purchases, while `isWanted` returns `true`. Adds the number of
   * each to `unanswered`.
   */
  private *wanted(again: Array<number>, unanswered: Array<number>, isWanted: () => boolean): Generator<NewPurchase> {
    while (isWanted()) {
      const number = again.shift() ?? (this.next <= this.count ? this.next++ : undefined)
      if (number === undefined) return
      this.sent += 1
      unanswered.push(number)
      yield this.purchase(number)
    }
  }
}
