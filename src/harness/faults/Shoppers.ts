import { setTimeout as pause } from "node:timers/promises"
import { chosen, seeded } from "../system/Random.ts"
import { entryName } from "../EntryName.ts"
import { type Ask, exactJson, post, postReversal } from "../system/Shopper.ts"
import { type Reversed, sold, type Sold } from "../system/Sold.ts"
import type { Completed } from "./LogLine.ts"
import type { RunLog } from "./RunLog.ts"

/** An edge to which clients send requests, with the name of the edge in the operation log. */
export interface Shop {
  readonly name: string
  readonly ask: Ask
}

/**
 * The time that a client waits for an answer, in milliseconds. After this time the outcome of the request is unknown.
 */
const answerWithin = 15_000
const retryPause = 250
/** The time for which clients avoid an edge that failed, in milliseconds, as a load balancer would do. */
const avoidedFor = 1_000
const thinkMost = 250
/** The most acknowledged purchases that are remembered. Clients send remembered purchases again. */
const rememberedMax = 2_000
/** The share of purchases with an unknown outcome that an impatient client does not send again. */
const leavesUnknown = 0.2
/** The share of reversals that a client sends again after the answer to the reversal. */
const repeatsReversal = 0.2
const pageLimit = 10

/** The operations that a client chooses from, with the share of each operation. */
const shares = [
  ["buy", 0.65],
  ["reverse", 0.05],
  ["repeat", 0.08],
  ["conflict", 0.03],
  ["total", 0.11],
  ["page", 0.08]
] as const

type Answer = Omit<Completed, "operation" | "at">

/**
 * Returns the outcome of a request whose connection broke. If the connection was never open, the purchase was not
 * stored. If the connection was open, the outcome is unknown.
 */
const answerOfBroken = (cause: unknown): Answer => {
  const { code } = ((cause as Error | undefined)?.cause ?? {}) as NodeJS.ErrnoException
  return { outcome: code === "ECONNREFUSED" ? "fail" : "info" }
}

const withLimit =
  (ask: Ask): Ask =>
  (path, init) =>
    ask(path, { ...init, signal: AbortSignal.timeout(answerWithin) })

/**
 * Runs clients that buy, repeat purchases, reverse purchases and read accounts through any of the edges. Writes the
 * requests and answers to the operation log.
 */
export class Shoppers {
  private readonly shops: () => ReadonlyArray<Shop>
  private readonly log: RunLog
  private readonly random: () => number
  private readonly remembered: Array<{ readonly sale: Sold; readonly at: number }> = []
  private bought = 0
  private reversed = 0
  private isOver = false
  private isGivenUp = false
  readonly users: ReadonlyArray<string>
  /** For the name of each edge, the time until which clients avoid the edge if another edge is left. */
  private readonly avoidedUntil = new Map<string, number>()
  /** The answers that no planned fault explains. */
  readonly unexpected: Array<string> = []

  constructor(shops: () => ReadonlyArray<Shop>, log: RunLog, seed: number, users: number) {
    this.shops = shops
    this.log = log
    this.random = seeded(seed)
    this.users = Array.from({ length: users }, (_, index) => `user-${index}`)
  }

  /** Runs `sessions` clients until {@link finish} is called and the last purchase is acknowledged. */
  async run(sessions: number): Promise<void> {
    await Promise.all(Array.from({ length: sessions }, () => this.session()))
  }

  /** Makes clients begin no further operation. The clients still send unacknowledged purchases again. */
  finish(): void {
    this.isOver = true
  }

  /** Makes clients stop sending purchases again after failures. */
  giveUp(): void {
    this.isOver = true
    this.isGivenUp = true
  }

  newSale(): Sold {
    this.bought += 1
    const different = { valueCents: 100 + (this.bought % 50_000), quantity: 1 + (this.bought % 3) }
    return sold(this.chosen(this.users), `p${this.bought}`, different)
  }

  /**
   * Returns a purchase that was acknowledged at least `milliseconds` ago; `undefined` if no remembered purchase is so
   * old.
   */
  soldBefore(milliseconds: number): Sold | undefined {
    const old = this.remembered.filter(({ at }) => at <= this.log.now - milliseconds)
    return old.length === 0 ? undefined : this.chosen(old).sale
  }

  /**
   * Sends a purchase again and again until it is acknowledged. An impatient client sometimes stops after an unknown
   * outcome.
   */
  async buy(sale: Sold, isPatient = false): Promise<void> {
    for (;;) {
      const { outcome } = await this.send(sale)
      if (outcome === "ok") return this.remember(sale)
      if (this.isGivenUp || (outcome === "info" && !isPatient && this.random() < leavesUnknown)) return
      await pause(retryPause)
    }
  }

  /** Sends a purchase once, and returns the outcome. */
  async send(sale: Sold): Promise<Answer> {
    const { name, ask } = this.shop()
    const waits: Record<string, string> = this.random() < 0.3 ? { prefer: "wait=5" } : {}
    const operation = this.log.begin({ edge: name, does: "buy", sale })
    const answer = await post(withLimit(ask), sale, waits)
      .then((response) => this.answerOfPost("POST /purchases", response))
      .catch(answerOfBroken)
    this.ended(operation, name, answer)
    return answer
  }

  /**
   * Takes pieces of an acknowledged purchase back, often with two reversals at the same time. The two reversals
   * together may ask for more pieces than are left.
   */
  private async reverse(sale: Sold): Promise<void> {
    const reversals = Array.from({ length: 1 + Math.floor(this.random() * 2) }, () => this.newReversal(sale))
    await Promise.all(reversals.map((reversal) => this.sendReversal(reversal)))
    const again = this.random() < repeatsReversal ? reversals[0] : undefined
    if (again !== undefined) await this.sendReversal(again)
  }

  private newReversal({ userId, purchaseId }: Sold): Reversed {
    this.reversed += 1
    const reversal = { reversalId: `r${this.reversed}`, userId, purchaseId, reason: "Returned" }
    return this.random() < 0.5 ? reversal : { ...reversal, quantity: 1 + Math.floor(this.random() * 3) }
  }

  /** Sends a reversal again and again until it is acknowledged or refused. */
  private async sendReversal(reversal: Reversed): Promise<void> {
    for (;;) {
      const { name, ask } = this.shop()
      const waits: Record<string, string> = this.random() < 0.3 ? { prefer: "wait=5" } : {}
      const operation = this.log.begin({ edge: name, does: "reverse", reversal })
      const answer = await postReversal(withLimit(ask), reversal, waits)
        .then((response) => this.answerOfPost("POST of a reversal", response))
        .catch(answerOfBroken)
      this.ended(operation, name, answer)
      if (answer.outcome === "ok" || answer.status === 422) return
      if (this.isGivenUp || (answer.outcome === "info" && this.random() < leavesUnknown)) return
      await pause(retryPause)
    }
  }

  private async answerOfPost(request: string, response: Response): Promise<Answer> {
    const { status } = response
    const text = await response.text()
    switch (status) {
      case 201:
        return { outcome: "ok", status, total: String(exactJson(text).runningTotal) }
      case 202:
        return { outcome: "ok", status }
      // For a purchase, the status 422 says that the purchase is a conflict and is not applied. For a reversal, the
      // status 422 says that too few pieces are left.
      case 422:
      case 503:
      // The status 408 says that the request came too slowly, for example on a busy machine. An edge that answers 408
      // has stored no purchase of the request.
      case 408:
        return { outcome: "fail", status }
      case 504:
        return { outcome: "info", status }
      default:
        this.unexpected.push(`${request}: ${status} ${text.slice(0, 300)}`)
        return { outcome: "info", status }
    }
  }

  private async read(does: "total" | "page"): Promise<void> {
    const userId = this.chosen(this.users)
    const { name, ask } = this.shop()
    const path = does === "total" ? `/users/${userId}/total` : `/users/${userId}/purchases?limit=${pageLimit}`
    const operation = this.log.begin({ edge: name, does, userId })
    const answer = await withLimit(ask)(path)
      .then((response) => this.answerOfRead(path, response))
      .catch((): Answer => ({ outcome: "fail" }))
    this.ended(operation, name, answer)
    if (answer.outcome !== "ok") await pause(retryPause)
  }

  private async answerOfRead(path: string, response: Response): Promise<Answer> {
    const { status } = response
    const text = await response.text()
    if (status !== 200) {
      if (status !== 503 && status !== 504) this.unexpected.push(`GET ${path}: ${status} ${text.slice(0, 300)}`)
      return { outcome: "fail", status }
    }
    const { total, purchaseCount, reversalCount, purchases } = exactJson(text)
    const listed = purchases?.map(({ purchaseId, reversalId }: Sold & { readonly reversalId?: string }) =>
      entryName({ purchaseId, ...(reversalId !== undefined && { reversal: { reversalId } }) })
    )
    const count = purchaseCount + reversalCount
    return { outcome: "ok", status, total: String(total), count, ...(listed && { listed }) }
  }

  private async session(): Promise<void> {
    while (!this.isOver && !this.log.isFull) {
      await this.log.ready()
      await pause(this.random() * thinkMost)
      await this.act()
    }
  }

  private async act(): Promise<void> {
    let choice = this.random()
    const [does] = shares.find(([, share]) => (choice -= share) < 0) ?? shares[0]
    if (does === "total" || does === "page") return this.read(does)
    const old = does === "buy" ? undefined : this.soldBefore(0)
    if (old === undefined) return this.buy(this.newSale())
    if (does === "repeat") return this.buy(old)
    if (does === "reverse") return this.reverse(old)
    await this.send({ ...old, quantity: old.quantity + 10 })
  }

  private remember(sale: Sold): void {
    const one = { sale, at: this.log.now }
    if (this.remembered.length < rememberedMax) this.remembered.push(one)
    else this.remembered[Math.floor(this.random() * rememberedMax)] = one
  }

  private shop(): Shop {
    const all = this.shops()
    const well = all.filter(({ name }) => (this.avoidedUntil.get(name) ?? 0) <= this.log.now)
    return this.chosen(well.length > 0 ? well : all)
  }

  private ended(operation: number, shop: string, answer: Answer): void {
    this.log.end(operation, answer)
    const isUnwell = answer.outcome !== "ok" && answer.status !== 422
    if (isUnwell) this.avoidedUntil.set(shop, this.log.now + avoidedFor)
  }

  private chosen<A>(from: ReadonlyArray<A>): A {
    return chosen(from, this.random)
  }
}
