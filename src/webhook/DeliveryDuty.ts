import { Duration, Effect, Fiber } from "effect"
import type { SendTransport } from "../nats/SendTransport.ts"
import type { WebhookFeed } from "../nats/WebhookFeed.ts"
import type { WebhookStore } from "../nats/WebhookStore.ts"
import { partitionOf } from "../protocol/Subject.ts"
import { runDeliverer } from "./Deliverer.ts"
import type { AlertView } from "./Payload.ts"

/** The time between two checks whether this process still judges the same shards. */
const lookEvery = Duration.millis(250)

export interface DeliveryDutySettings {
  /** The number of shards of all judges. */
  readonly shards: number
  /** Returns the shards that this process should judge now. */
  readonly assigned: () => ReadonlySet<number>
  readonly view: AlertView
}

const keyOf = (assigned: ReadonlySet<number>): string =>
  Array.from(assigned)
    .toSorted((a, b) => a - b)
    .join(",")

/**
 * Delivers alerts to the webhooks of the users in the shards that this process judges. When the shards of this process
 * change, all deliveries in flight end, and the delivering begins again. While two judges want one shard, both deliver
 * its alerts, under the same ids.
 */
export const deliverAssigned = ({
  shards,
  assigned,
  view
}: DeliveryDutySettings): Effect.Effect<never, never, WebhookStore | WebhookFeed | SendTransport> =>
  Effect.gen(function* () {
    let running: Fiber.Fiber<never> | undefined
    let key = ""
    while (true) {
      const now = new Set(assigned())
      if (keyOf(now) !== key) {
        if (running !== undefined) yield* Fiber.interrupt(running)
        key = keyOf(now)
        const owns = (ownerToken: string) => now.has(partitionOf(ownerToken, shards))
        const deliveries = Effect.andThen(runDeliverer({ owns, view }), Effect.never)
        running = now.size === 0 ? undefined : yield* Effect.forkChild(Effect.scoped(deliveries))
      }
      yield* Effect.sleep(lookEvery)
    }
  })
