import { decodeToken } from "../protocol/Subject.ts"
import type { DeliveryState, Webhook } from "../protocol/Webhook.ts"
import type { SendReply, SendRequest } from "../protocol/WebhookSend.ts"

/** A delivery that the owner asked for, and that waits for its turn. */
export interface Asked {
  readonly request: SendRequest
  readonly reply: (reply: SendReply) => void
}

/** The webhook of one user in the memory of a judge: where it is, and whether it has work. Alerts are not kept. */
export class Endpoint {
  readonly ownerToken: string
  readonly userId: string
  /** `undefined` after the user removed the webhook. */
  webhook: Webhook | undefined
  /** Whether the webhook came since the stream is followed. If not, it may have been removed or changed while the stream was not followed. */
  isCurrent = true
  /** The state of the deliveries; `undefined` until it was read. */
  state: DeliveryState | undefined
  /** The sequence of the stored state, which the next write expects. */
  stateSequence = 0
  /** Whether the state was read. */
  isLoaded = false
  /** Whether a read found no alert, so that from then on `head` is the last one. */
  isCaughtUp = false
  /** The sequence of the newest alert that was told. */
  head = 0
  /** The deliveries that the owner asked for. */
  readonly asked: Array<Asked> = []
  /** Whether the endpoint is in the queue. */
  isQueued = false
  /** Whether a fiber works for the endpoint. An endpoint has at most one attempt in flight. */
  isBusy = false
  /** Whether the endpoint has to go into the queue again after the work in hand. */
  isWanted = false
  /** The time of the timer that counts, in milliseconds since 1970; 0 for none. */
  timerAt = 0

  constructor(ownerToken: string, webhook: Webhook) {
    this.ownerToken = ownerToken
    this.userId = decodeToken(ownerToken)
    this.webhook = webhook
  }

  /** Returns whether alerts may wait that are not delivered. */
  mayHaveAlerts(through: number): boolean {
    return !this.isCaughtUp || this.head > through
  }
}
