import { Clock, Context, Duration, Effect, Layer } from "effect"
import { decodeNotices, encodeNoticeAddress } from "../protocol/AppliedNotice.ts"
import type { Cents } from "../account/Money.ts"
import { NoticeTransport } from "../nats/NoticeTransport.ts"

/**
 * The most messages whose notices an edge expects at once. For further messages the edge asks the owner of the
 * partition for the outcome.
 */
export const messagesExpectedMax = 65_536
/**
 * How long an edge waits for the notices of a stored message. If a notice does not come within
 * {@link noticeWaitMilliseconds}, the notice was lost, or the worker died.
 */
export const noticeWaitMilliseconds = 1_000
const overdueEvery = Duration.millis(100)

/**
 * Waits for the notice of one purchase. The inbox calls at most one of the functions `applied` and `missed`, and only
 * once.
 */
export interface NoticeListener {
  /** Called when the purchase is applied. `totalAfter` is the account's total after the purchase, in cents. */
  readonly applied: (totalAfter: Cents) => void
  /** Called when no notice of the purchase came in time. */
  readonly missed: () => void
}

/** A message whose notices the edge expects. */
export interface Expected {
  /** The address for notices, which the message has to carry; `undefined` if no notices are expected. */
  readonly address: string | undefined
  /**
   * Tells the inbox that the broker has stored the message. The wait for the notices of the message begins with the
   * call of `stored`.
   */
  readonly stored: () => void
  /** Stops expecting notices of the message. */
  readonly forget: () => void
}

interface Open {
  /** The listeners that still wait for their notice, by the index of the purchase in the message. */
  readonly listeners: Map<number, NoticeListener>
  dueAt: number
}

const miss = (listeners: ReadonlyMap<number, NoticeListener>) => {
  for (const { missed } of listeners.values()) missed()
}

/** Receives the notices that workers send to this edge, and passes each notice to its listener. */
export class NoticeInbox extends Context.Service<
  NoticeInbox,
  {
    /**
     * Begins to expect the notices of a message. `listeners` has each listener under the index of its purchase in the
     * message. Above {@link messagesExpectedMax} expected messages, the notices of a message count as missed as soon as
     * the message is stored.
     */
    readonly expect: (listeners: Map<number, NoticeListener>) => Expected
  }
>()("purchases/query/NoticeInbox") {
  static readonly layer = Layer.effect(
    NoticeInbox,
    Effect.gen(function* () {
      const transport = yield* NoticeTransport
      const clock = yield* Clock.Clock
      const open = new Map<number, Open>()
      let messages = 0

      const edge = yield* transport.listen((payload) => {
        for (const { message, index, totalAfter, refusal } of decodeNotices(payload)) {
          // Callers ask the owner for the outcome of a reversal, so no listener hears a refusal.
          if (refusal !== undefined) continue
          const waiting = open.get(message)
          // A notice may have no listener, because the caller may not wait. A worker that gets a message twice also
          // sends two notices.
          const listener = waiting?.listeners.get(index)
          if (waiting === undefined || listener === undefined) continue
          waiting.listeners.delete(index)
          if (waiting.listeners.size === 0) open.delete(message)
          listener.applied(totalAfter)
        }
      })

      const giveUpOverdue = Effect.sync(() => {
        const now = clock.currentTimeMillisUnsafe()
        for (const [message, waiting] of open) {
          if (waiting.dueAt > now) continue
          open.delete(message)
          miss(waiting.listeners)
        }
      })
      yield* giveUpOverdue.pipe(Effect.delay(overdueEvery), Effect.forever, Effect.forkScoped)

      return NoticeInbox.of({
        expect: (listeners) => {
          if (open.size >= messagesExpectedMax) {
            return { address: undefined, stored: () => miss(listeners), forget: () => undefined }
          }
          messages += 1
          const message = messages
          const waiting: Open = { listeners, dueAt: Number.POSITIVE_INFINITY }
          open.set(message, waiting)
          return {
            address: encodeNoticeAddress({ edge, message }),
            stored: () => {
              waiting.dueAt = clock.currentTimeMillisUnsafe() + noticeWaitMilliseconds
            },
            forget: () => void open.delete(message)
          }
        }
      })
    })
  )
}
