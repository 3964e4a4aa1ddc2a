import type { PullEvents } from "../../nats/PullSession.ts"

/**
 * Returns the events of a pull, with some events replaced. The events are methods of a class, so a spread of the object
 * would lose the events.
 */
export const replacedEvents = (real: PullEvents, replacements: Partial<PullEvents>): PullEvents => ({
  delivered: (delivery) => real.delivered(delivery),
  ended: () => real.ended(),
  oversized: () => real.oversized(),
  lost: (reason) => real.lost(reason),
  ...replacements
})
