import { decodeToken } from "../protocol/Subject.ts"
import type { DeliveryState, Webhook } from "../protocol/Webhook.ts"
import type { SendReply, SendRequest } from "../protocol/WebhookSend.ts"

/** A delivery that the owner asked for, and that waits for its turn. */
export interface Asked {
  readonly request: SendRequest
  readonly reply: (reply: SendReply) => void
}

/**
 * The webhook of one user in the memory of a judge: the state of its deliveries, and whether deliveries wait. The
 * alerts themselves are not kept in memory.
 */
export class Endpoint {
  readonly ownerToken: string
  readonly userId: string
  /** The webhook of the endpoint; `undefined` after the user removed the webhook. */
  webhook: Webhook | undefined
  /**
   * Whether `webhook` is the newest webhook, as far as the stream of webhooks and the reads of the webhook have shown.
   * The webhook is read again before the next attempt if `isCurrent` is `false`.
   */
  isCurrent = true
  /** The state of the endpoint's deliveries; `undefined` until the state was read. */
  state: DeliveryState | undefined
  /** The sequence of the stored state of the deliveries, which the next write of the state expects. */
  stateSequence = 0
  /** Whether the state of the endpoint's deliveries was read. */
  isLoaded = false
  /**
   * Whether the newest read found no alert to deliver. If `isCaughtUp` is `true`, the user has an alert to deliver only
   * if `head` has grown.
   */
  isCaughtUp = false
  /** The sequence of the newest alert that the stream of alerts has shown. */
  head = 0
  /** The deliveries that the owner asked for, and that wait for their turn. */
  readonly asked: Array<Asked> = []
  /** Whether the endpoint is in the queue. */
  isQueued = false
  /** Whether a fiber makes the deliveries of the endpoint now. An endpoint has at most one attempt in flight. */
  isBusy = false
  /** Whether the endpoint has to go into the queue again after the work that runs now. */
  isWanted = false
  /**
   * The time at which the endpoint goes into the queue again, in milliseconds since 1970; 0 if no timer runs. A timer
   * of the endpoint does nothing if it ends at a time other than `timerAt`.
   */
  timerAt = 0

  constructor(ownerToken: string, webhook: Webhook) {
    this.ownerToken = ownerToken
    this.userId = decodeToken(ownerToken)
    this.webhook = webhook
  }

  /** Returns whether the user may have alerts behind the sequence `through` that are not delivered. */
  mayHaveAlerts(through: number): boolean {
    return !this.isCaughtUp || this.head > through
  }
}
