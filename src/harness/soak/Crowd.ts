import { OperationLog } from "../system/OperationLog.ts"
import { seeded } from "../system/Random.ts"
import { type Ask, post, postReversal, readAccount } from "../system/Shopper.ts"
import { type Reversed, type Sold, sold } from "../system/Sold.ts"
import { soakLanes } from "./Allowances.ts"
/** The time after which an impatient client leaves. */
const patienceMilliseconds = 4
const usersCheckedMax = 200

/** Reads an answer to its end, and ignores the content of the answer. */
const answerOf = async (answer: Promise<Response>): Promise<void> => {
  await answer.then((response) => response.arrayBuffer()).catch(() => undefined)
}

/** A growing number of users that buy, reverse purchases, read accounts, repeat requests, leave before the answer, and come back. */
export class Crowd {
  operations = 0
  /** The number of users that have bought so far. */
  users = 0
  private readonly ask: Ask
  private readonly random: () => number
  private readonly log = new OperationLog()
  private readonly sales: Array<Sold> = []
  /** The purchases that are acknowledged and not reversed. */
  private readonly kept: Array<Sold> = []
  private readonly reversals: Array<Reversed> = []

  constructor(ask: Ask, seed: number) {
    this.ask = ask
    this.random = seeded(seed)
  }

  /** The number of reversals so far that the service has stored. */
  get reversed(): number {
    return this.reversals.length
  }

  /** Keeps {@link soakLanes} requests in flight until the signal comes. */
  async shop(enough: AbortSignal): Promise<void> {
    const lanes = Array.from({ length: soakLanes }, async () => {
      while (!enough.aborted) {
        await this.next(enough)
        this.operations += 1
      }
    })
    await Promise.all(lanes)
  }

  /** Returns the mistakes in the accounts of some users. */
  async mistakes(): Promise<ReadonlyArray<string>> {
    const found: Array<string> = []
    for (let checked = 0; checked < Math.min(usersCheckedMax, this.users); checked += 1) {
      const user = this.someUser()
      found.push(...this.log.mistakesOf(user, await readAccount(this.ask, user)))
    }
    return found
  }

  private next(enough: AbortSignal): Promise<void> {
    const kind = this.random()
    if (this.users === 0 || kind < 0.2) return this.sell(this.newUser(), this.ask, enough)
    if (kind < 0.4) return this.sell(this.someUser(), this.ask, enough)
    if (kind < 0.5) return this.sell(this.someUser(), this.waiting, enough)
    if (kind < 0.6) return this.repeat()
    if (kind < 0.65) return this.sell(this.someUser(), this.impatient, AbortSignal.abort())
    if (kind < 0.7) return this.look(this.impatient)
    if (kind < 0.76) return this.reverse(enough)
    if (kind < 0.78) return this.repeatReversal()
    return this.look(this.ask)
  }

  private async sell(user: string, ask: Ask, givenUp: AbortSignal): Promise<void> {
    const sale = sold(user, `p${this.sales.length}`, { valueCents: 1 + this.sales.length })
    this.sales.push(sale)
    await this.log.sell(ask, sale, givenUp)
    if (!givenUp.aborted) this.kept.push(sale)
  }

  /** Takes a piece of a purchase back, or all pieces. Each purchase is reversed once, so no reversal is refused. */
  private async reverse(enough: AbortSignal): Promise<void> {
    const [sale] = this.kept.splice(Math.floor(this.random() * this.kept.length), 1)
    if (sale === undefined) return
    const { userId, purchaseId } = sale
    const pieces = this.random() < 0.5 ? { quantity: 1 } : {}
    const reversal = { reversalId: `r-${purchaseId}`, userId, purchaseId, reason: "broken", ...pieces }
    await this.log.reverse(this.ask, reversal, enough)
    if (!enough.aborted) this.reversals.push(reversal)
  }

  /** Sends an earlier reversal again, which must not take pieces back a second time. */
  private async repeatReversal(): Promise<void> {
    const reversal = this.one(this.reversals)
    if (reversal !== undefined) await answerOf(postReversal(this.ask, reversal))
  }

  /** Sends an earlier purchase again, which must not count a second time. */
  private async repeat(): Promise<void> {
    const sale = this.one(this.sales)
    if (sale !== undefined) await answerOf(post(this.ask, sale))
  }

  private look(ask: Ask): Promise<void> {
    const user = this.someUser()
    const paths = [`/users/${user}/total`, `/users/${user}/purchases?limit=20`, `/users/${user}/purchases/p0`]
    return answerOf(ask(this.one(paths) ?? ""))
  }

  private readonly waiting: Ask = (path, init) =>
    this.ask(path, { ...init, headers: { "content-type": "application/json", prefer: "wait=5" } })

  private readonly impatient: Ask = (path, init) =>
    this.ask(path, { ...init, signal: AbortSignal.timeout(patienceMilliseconds) })

  private newUser(): string {
    this.users += 1
    return `user${this.users}`
  }

  private someUser(): string {
    return `user${1 + Math.floor(this.random() * this.users)}`
  }

  private one<A>(all: ReadonlyArray<A>): A | undefined {
    return all[Math.floor(this.random() * all.length)]
  }
}
