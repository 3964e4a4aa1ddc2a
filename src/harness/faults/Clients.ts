import type { AlertReceiver } from "./AlertReceiver.ts"
import type { Fleet } from "./Fleet.ts"
import { RuleChangers } from "./RuleChangers.ts"
import type { RunLog } from "./RunLog.ts"
import { Shoppers } from "./Shoppers.ts"
import { WebhookOwners } from "./WebhookOwners.ts"

const ruleClients = 4
/** The number of owners of rules who set a webhook. */
const webhookOwners = 3
const users = 64
const sessions = 16

/** The clients of a fault run, and the receiver of the alerts for webhooks. */
export class Clients {
  readonly shoppers: Shoppers
  readonly changers: RuleChangers
  readonly webhooks: WebhookOwners
  readonly receiver: AlertReceiver

  constructor(fleet: Fleet, log: RunLog, seed: number, receiver: AlertReceiver) {
    this.receiver = receiver
    this.shoppers = new Shoppers(() => fleet.edges, log, seed, users)
    this.changers = new RuleChangers(() => fleet.edges, log, seed, this.shoppers.users)
    const owners = this.changers.owners.slice(0, webhookOwners)
    this.webhooks = new WebhookOwners(() => fleet.edges, log, seed, receiver, owners)
  }

  async run(): Promise<void> {
    await Promise.all([this.shoppers.run(sessions), this.changers.run(ruleClients), this.webhooks.run()])
  }

  finish(): void {
    for (const clients of [this.shoppers, this.changers, this.webhooks]) clients.finish()
  }

  get unexpected(): ReadonlyArray<string> {
    return [...this.shoppers.unexpected, ...this.changers.unexpected, ...this.webhooks.unexpected]
  }
}
