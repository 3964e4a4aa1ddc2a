import { OperationLog } from "../system/OperationLog.ts"
import { seeded } from "../system/Random.ts"
import { type Ask, post, readAccount } from "../system/Shopper.ts"
import { type Sold, sold } from "../system/Sold.ts"
import { soakLanes } from "./Allowances.ts"
/** The time after which an impatient client leaves. */
const patienceMilliseconds = 4
const usersCheckedMax = 200

/** Reads an answer to its end, and ignores the content of the answer. */
const answerOf = async (answer: Promise<Response>): Promise<void> => {
  await answer.then((response) => response.arrayBuffer()).catch(() => undefined)
}

/** A growing number of users that buy, read accounts, repeat purchases, leave before the answer, and come back. */
export class Crowd {
  operations = 0
  /** The number of users that have bought so far. */
  users = 0
  private readonly ask: Ask
  private readonly random: () => number
  private readonly log = new OperationLog()
  private readonly sales: Array<Sold> = []

  constructor(ask: Ask, seed: number) {
    this.ask = ask
    this.random = seeded(seed)
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
    return this.look(this.ask)
  }

  private async sell(user: string, ask: Ask, givenUp: AbortSignal): Promise<void> {
    const sale = sold(user, `p${this.sales.length}`, { valueCents: 1 + this.sales.length })
    this.sales.push(sale)
    await this.log.sell(ask, sale, givenUp)
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
