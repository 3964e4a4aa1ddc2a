import { Effect } from "effect"
import type { WebhookStore } from "../../nats/WebhookStore.ts"
import { stateFor } from "../../webhook/Progress.ts"

type Webhooks = (typeof WebhookStore)["Service"]

const storesCursorFirst = (real: Webhooks): Webhooks => ({
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

/**
 * The mistake of a judge that stores that an alert is delivered when it reads the alert. Only a judge that delivers over
 * HTTP can make this mistake, so the simulation does not plant it.
 */
export const cursorFirst = {
  name: "J15 the cursor of a webhook is written before the answer to the delivery",
  plant: () => ({ webhooks: storesCursorFirst })
}
