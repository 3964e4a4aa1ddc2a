import { setTimeout as sleep } from "node:timers/promises"
import type { NewPurchase } from "../../src/client/NewPurchase.ts"
import { ProblemError } from "../../src/client/Failure.ts"
import { Patience } from "../../src/client/Patience.ts"
import type { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { isTemporary, retryDefaults, retryWaitMilliseconds } from "../../src/client/Retry.ts"

type OnRetry = (failure: Error, waitMilliseconds: number, until: number | undefined) => void

interface RunSettings {
  /** Makes a client that tells its repetitions. */
  readonly clientTelling: (onRetry: OnRetry) => PurchaseClient
  readonly signal: AbortSignal
  /** How long the run goes on while not one more purchase is settled. */
  readonly timeoutMilliseconds: number
  readonly onRetry: OnRetry
  /** Is told after each answer. */
  readonly onProgress: () => void
}

/** Stores the purchases 1 to `count`. Those that the service could not take are sent again, for as long as is allowed. */
export class StoringRun {
  private readonly count: number
  private readonly purchase: (number: number) => NewPurchase
  /** The next purchase that was not sent yet. */
  private next = 1
  private again: Array<NewPurchase> = []
  private sent = 0
  private answered = 0
  stored = 0
  refused = 0
  /** Why the first one was refused. */
  refusal: string | undefined

  constructor(count: number, purchase: (number: number) => NewPurchase) {
    this.count = count
    this.purchase = purchase
  }

  /** How many are known to be stored or to be refused. */
  get settled(): number {
    return this.stored + this.refused
  }

  /** The most purchases that may be stored beside those that are known to be. */
  get open(): number {
    return this.sent - this.answered + this.again.length
  }

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
      settings.onProgress()
    }
    patience.start()
    try {
      for (let attempt = 1; ; attempt += 1) {
        const settledBefore = this.settled
        const failure = await this.round(client, patience.signal, onSettled)
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

  /** Sends until all is sent or one could not be taken. Returns why the first of those could not. */
  private async round(
    client: PurchaseClient,
    signal: AbortSignal,
    onSettled: () => void
  ): Promise<ProblemError | undefined> {
    let failure: ProblemError | undefined
    const again = this.again
    this.again = []
    const isWanted = () => failure === undefined
    try {
      for await (const { purchase, outcome } of client.postAll(this.wanted(again, isWanted), { signal })) {
        this.answered += 1
        const problem = "problem" in outcome ? new ProblemError(outcome.problem, outcome.problem.status) : undefined
        if (problem !== undefined && isTemporary(problem)) {
          this.again.push(purchase)
          failure ??= problem
          continue
        }
        if (problem === undefined) this.stored += 1
        else this.refuse(problem)
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

  /** Yields those that are to be sent again, and then new ones, while they are wanted. */
  private *wanted(again: Array<NewPurchase>, isWanted: () => boolean): Generator<NewPurchase> {
    while (isWanted()) {
      const purchase = again.shift() ?? (this.next <= this.count ? this.purchase(this.next++) : undefined)
      if (purchase === undefined) return
      this.sent += 1
      yield purchase
    }
  }
}
