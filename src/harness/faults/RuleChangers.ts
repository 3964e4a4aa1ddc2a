import { setTimeout as pause } from "node:timers/promises"
import { encodeRule, type Rule } from "../../rules/Rule.ts"
import { rulesFor } from "../alerts/SomeRules.ts"
import { chosen, seeded } from "../system/Random.ts"
import { exactJson } from "../system/Shopper.ts"
import { type Change, type ChangeAnswer, sendChange } from "./Change.ts"
import type { RunLog } from "./RunLog.ts"
import type { Shop } from "./Shoppers.ts"

const thinkMost = 400
const retryPause = 250
const removedShare = 0.25
/**
 * The number of rules of one owner that one client changes. All clients together must make fewer than 100 rules of an
 * owner, and fewer than 10 rules about all users.
 */
const ruleIdsOfClient = 2
const ownersMax = 4

/**
 * The statuses 404, 409 and 503 say that the rule was not changed, because the rule is missing, a bound is reached, or
 * the service is not available.
 */
const refused = [404, 409, 503]

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
      const owner = chosen(this.owners, this.random)
      const ruleId = `r${client}-${Math.floor(this.random() * ruleIdsOfClient)}`
      const rule = this.random() < removedShare ? undefined : chosen(rulesFor.faults, this.random)
      const { outcome } = await this.change(owner, ruleId, rule)
      if (outcome !== "ok") await pause(retryPause)
    }
  }

  private change(owner: string, ruleId: string, rule: Rule | undefined): Promise<ChangeAnswer> {
    const shop = chosen(this.shops(), this.random)
    const body = rule === undefined ? undefined : encodeRule(rule)
    const change: Change = {
      logged: {
        edge: shop.name,
        does: "change a rule",
        owner,
        ruleId,
        ...(body === undefined ? {} : { rule: body })
      },
      path: `/users/${owner}/rules/${ruleId}`,
      method: body === undefined ? "DELETE" : "PUT",
      body,
      refused,
      kept: (text) => ({ sequence: Number(exactJson(text).ledgerSequence) })
    }
    return sendChange(this.log, shop, change, this.unexpected)
  }
}
