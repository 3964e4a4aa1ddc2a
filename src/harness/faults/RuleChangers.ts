import { setTimeout as pause } from "node:timers/promises"
import { encodeRule, type Rule } from "../../rules/Rule.ts"
import { rulesFor } from "../alerts/SomeRules.ts"
import { seeded } from "../system/Random.ts"
import { exactJson } from "../system/Shopper.ts"
import type { Completed } from "./LogLine.ts"
import type { RunLog } from "./RunLog.ts"
import type { Shop } from "./Shoppers.ts"

/**
 * The time that a client waits for an answer, in milliseconds. After this time the outcome of the request is unknown.
 */
const answerWithin = 15_000
const thinkMost = 400
const retryPause = 250
const removedShare = 0.25
/**
 * The number of rules of one owner that one client changes. All clients together must make fewer than 100 rules of an
 * owner, and fewer than 10 rules about all users.
 */
const ruleIdsOfClient = 2
const ownersMax = 4

type Answer = Omit<Completed, "operation" | "at">

/**
 * Runs clients that change rules through any of the edges, and writes the answers to the operation log. All clients
 * change rules of the same owners, but each rule is changed by only one client. Therefore a client knows the last
 * change of each rule that it changes.
 */
export class RuleChangers {
  private readonly shops: () => ReadonlyArray<Shop>
  private readonly log: RunLog
  private readonly random: () => number
  /** The users whose rules the clients change. */
  readonly owners: ReadonlyArray<string>
  private isOver = false
  /** The answers that no planned fault explains. */
  readonly unexpected: Array<string> = []

  constructor(shops: () => ReadonlyArray<Shop>, log: RunLog, seed: number, users: ReadonlyArray<string>) {
    this.shops = shops
    this.log = log
    this.random = seeded(seed ^ 0x5e7)
    this.owners = users.slice(0, ownersMax)
  }

  /** Runs clients that change rules until {@link finish} is called. */
  async run(clients: number): Promise<void> {
    await Promise.all(Array.from({ length: clients }, (_, client) => this.session(client)))
  }

  finish(): void {
    this.isOver = true
  }

  private async session(client: number): Promise<void> {
    while (!this.isOver && !this.log.isFull) {
      await this.log.ready()
      await pause(this.random() * thinkMost)
      const owner = this.chosen(this.owners)
      const ruleId = `r${client}-${Math.floor(this.random() * ruleIdsOfClient)}`
      const rule = this.random() < removedShare ? undefined : this.chosen(rulesFor.faults)
      const { outcome } = await this.change(owner, ruleId, rule)
      if (outcome !== "ok") await pause(retryPause)
    }
  }

  private async change(owner: string, ruleId: string, rule: Rule | undefined): Promise<Answer> {
    const { name, ask } = this.chosen(this.shops())
    const text = rule === undefined ? undefined : encodeRule(rule)
    const operation = this.log.begin({
      edge: name,
      does: "change a rule",
      owner,
      ruleId,
      ...(text === undefined ? {} : { rule: text })
    })
    const init = text === undefined ? {} : { body: text, headers: { "content-type": "application/json" } }
    const answer = await ask(`/users/${owner}/rules/${ruleId}`, {
      method: text === undefined ? "DELETE" : "PUT",
      signal: AbortSignal.timeout(answerWithin),
      ...init
    })
      .then((response) => this.answerOf(response))
      // The connection may have broken after the change was stored, so the outcome is unknown.
      .catch((): Answer => ({ outcome: "info" }))
    this.log.end(operation, answer)
    return answer
  }

  private async answerOf(response: Response): Promise<Answer> {
    const { status } = response
    const text = await response.text()
    switch (status) {
      case 200:
      case 201:
        return { outcome: "ok", status, sequence: Number(exactJson(text).ledgerSequence) }
      case 204:
        return { outcome: "ok", status }
      // The statuses 404, 409 and 503 say that the rule was not changed, because the rule is missing, a bound is
      // reached, or the service is not available.
      case 404:
      case 409:
      case 503:
        return { outcome: "fail", status }
      case 504:
        return { outcome: "info", status }
      default:
        this.unexpected.push(`a change of a rule: ${status} ${text.slice(0, 300)}`)
        return { outcome: "info", status }
    }
  }

  private chosen<A>(from: ReadonlyArray<A>): A {
    const one = from[Math.floor(this.random() * from.length)]
    if (one === undefined) throw new Error("nothing to choose from")
    return one
  }
}
