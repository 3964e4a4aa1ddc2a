import { Effect } from "effect"
import type { WebhookStore } from "../../nats/WebhookStore.ts"
import { stateFor } from "../../webhook/Progress.ts"

type Webhooks = (typeof WebhookStore)["Service"]

/** The name of the planted mistake that the cursor of a webhook is written before the answer to the delivery. */
export const cursorFirstName = "J15"

/**
 * Plants the mistake {@link cursorFirstName}: a judge that reads the next alert of a webhook first stores that the
 * alert is delivered. Only a judge that delivers over HTTP can make this mistake, so the simulation does not plant it.
 */
export const cursorFirst = (real: Webhooks): Webhooks => ({
  ...real,
  nextAlerts: Effect.fnUntraced(function* (ownerToken, after) {
    const found = yield* real.nextAlerts(ownerToken, after)
    const { webhook } = yield* real.find(ownerToken)
    if (found === undefined || webhook === undefined) return found
    const { state, sequence } = yield* real.state(ownerToken)
    const cursor = { ...stateFor(webhook, state), through: found.sequence }
    yield* Effect.ignore(real.writeState(ownerToken, cursor, sequence))
    return found
  })
})
