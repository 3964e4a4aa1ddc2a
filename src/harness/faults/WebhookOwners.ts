import { setTimeout as pause } from "node:timers/promises"
import type { WebhookOwner } from "../alerts/DeliveryProblems.ts"
import { alertsStream, alertSubject, deliveredSubject, encodeToken, webhookSubject } from "../../protocol/Subject.ts"
import { decodeDeliveryState, decodeWebhook, removedWebhook } from "../../protocol/Webhook.ts"
import { stateFor } from "../../webhook/Progress.ts"
import type { BrokerAdmin } from "../system/BrokerAdmin.ts"
import { chosen, seeded } from "../system/Random.ts"
import { until } from "../system/TestBroker.ts"
import type { AlertReceiver } from "./AlertReceiver.ts"
import { type Change, type ChangeAnswer, sendChange } from "./Change.ts"
import type { RunLog } from "./RunLog.ts"
import type { Shop } from "./Shoppers.ts"

const retryPause = 250
/** The longest wait before a user sets the webhook at the beginning of a run, in milliseconds. */
const setWithin = 5_000
/** The times between two requests of a user that end a pause, in milliseconds. */
const resumes = { least: 10_000, most: 20_000 }
/** The step in which a user looks whether the run is over, in milliseconds. */
const lookEvery = 250

/** The status 503 says that the webhook was not changed, because the service is not available. */
const refused = [503]

/** Returns whether all alerts of a user are delivered or dead letters, or the deliveries pause. */
const isDone = async (admin: BrokerAdmin, owner: string): Promise<boolean> => {
  const token = encodeToken(owner)
  const newest = async (key: string) => admin.lastRecord(alertsStream, key)
  const webhook = decodeWebhook((await newest(webhookSubject(token)))?.text ?? removedWebhook)
  if (webhook === undefined) return false
  const stored = await newest(deliveredSubject(token))
  const { through, paused } = stateFor(webhook, stored && decodeDeliveryState(stored.text))
  return paused !== undefined || through >= ((await newest(alertSubject(token)))?.sequence ?? 0)
}

/**
 * Sets the webhooks of users through any of the edges, as the users do, with URLs of an {@link AlertReceiver}. Now and
 * then a user ends a pause of the deliveries.
 */
export class WebhookOwners {
  private readonly shops: () => ReadonlyArray<Shop>
  private readonly log: RunLog
  private readonly random: () => number
  private readonly receiver: AlertReceiver
  private readonly owners: ReadonlyArray<string>
  private isOver = false
  /** The users whose webhook is set, as far as the answers say. */
  readonly set: Array<WebhookOwner> = []
  /** The answers that no planned fault explains. */
  readonly unexpected: Array<string> = []

  constructor(
    shops: () => ReadonlyArray<Shop>,
    log: RunLog,
    seed: number,
    receiver: AlertReceiver,
    owners: ReadonlyArray<string>
  ) {
    this.shops = shops
    this.log = log
    this.random = seeded(seed ^ 0x40c)
    this.receiver = receiver
    this.owners = owners
  }

  /** Sets the webhooks, and ends pauses of the deliveries until {@link finish} is called. */
  async run(): Promise<void> {
    await Promise.all(this.owners.map((owner) => this.session(owner)))
  }

  finish(): void {
    this.isOver = true
    this.receiver.recover()
  }

  /** Waits until all alerts of the users are delivered, are dead letters, or wait behind a pause. */
  async untilDelivered(admin: BrokerAdmin, withinMilliseconds: number): Promise<void> {
    for (const { owner } of this.set) {
      await until(`the alerts of ${owner} are delivered`, () => isDone(admin, owner), withinMilliseconds)
    }
  }

  private async session(owner: string): Promise<void> {
    await pause(this.random() * setWithin)
    const deliveredThrough = await this.changeUntilDone(owner, { url: this.receiver.urlOf(owner) })
    if (deliveredThrough === undefined) return
    this.set.push({ owner, deliveredThrough })
    while (!this.isOver) {
      await this.wait(resumes.least + this.random() * (resumes.most - resumes.least))
      if (!this.isOver) await this.changeUntilDone(owner, { enabled: true })
    }
  }

  private async wait(milliseconds: number): Promise<void> {
    const end = this.log.now + milliseconds
    while (!this.isOver && this.log.now < end) await pause(lookEvery)
  }

  /**
   * Changes a webhook, and tries again after a failure. Returns the `deliveredThrough` of the answer; `undefined` if the
   * run is over before a change succeeded.
   */
  private async changeUntilDone(owner: string, wanted: object): Promise<number | undefined> {
    while (!this.isOver) {
      await this.log.ready()
      const { text } = await this.change(owner, wanted)
      if (text !== undefined) return JSON.parse(text).deliveredThrough
      await pause(retryPause)
    }
    return undefined
  }

  private change(owner: string, wanted: object): Promise<ChangeAnswer> {
    const shop = chosen(this.shops(), this.random)
    const change: Change = {
      logged: { edge: shop.name, does: "change a webhook", owner },
      path: `/users/${owner}/webhook`,
      method: "PUT",
      body: JSON.stringify(wanted),
      refused,
      kept: () => ({})
    }
    return sendChange(this.log, shop, change, this.unexpected)
  }
}
