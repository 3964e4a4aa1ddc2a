import { OperationLog } from "./OperationLog.ts"
import { type Ask, readAccount } from "./Shopper.ts"
import { sold } from "./Sold.ts"

/** The number of users for whom each lane buys in turn. */
const usersOfLane = 10

const userOf = (lane: number, number: number): string => `pressed-${lane}-${number % usersOfLane}`

/**
 * Keeps many writes in flight. A lane is a loop that sends a purchase, waits for the acknowledgement, and sends the
 * next purchase.
 */
export class Pressure {
  readonly log = new OperationLog()
  private readonly lanes: number
  private readonly done = new AbortController()
  private readonly ended: Promise<unknown>

  /** Starts the lanes. `asks` are the edges over which the lanes are spread. */
  constructor(lanes: number, asks: ReadonlyArray<Ask>) {
    this.lanes = lanes
    this.ended = Promise.all(
      Array.from({ length: lanes }, (_, lane) => {
        const ask = asks[lane % asks.length]
        return ask === undefined ? undefined : this.sell(lane, ask)
      })
    )
  }

  /** Stops all lanes. Purchases without an acknowledgement may be stored or not. */
  async stop(): Promise<void> {
    this.done.abort()
    await this.ended
  }

  /** Returns the mistakes in the accounts for which the lanes bought, as texts for people. */
  async mistakes(ask: Ask): Promise<ReadonlyArray<string>> {
    const found: Array<string> = []
    for (let lane = 0; lane < this.lanes; lane += 1) {
      for (let number = 0; number < usersOfLane; number += 1) {
        const user = userOf(lane, number)
        for (const mistake of this.log.mistakesOf(user, await readAccount(ask, user))) found.push(`${user}: ${mistake}`)
      }
    }
    return found
  }

  private async sell(lane: number, ask: Ask): Promise<void> {
    for (let number = 1; !this.done.signal.aborted; number += 1) {
      await this.log.sell(ask, sold(userOf(lane, number), `p${number}`), this.done.signal)
    }
  }
}
