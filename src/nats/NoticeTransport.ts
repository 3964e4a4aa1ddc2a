import { Context, Effect, Layer, type Scope } from "effect"
import { nuid } from "nats"
import { noticePrefix } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"

/**
 * Carries notices from workers to edges, as NATS messages that no stream stores. If a notice is lost, the edge asks the
 * owner for the outcome.
 */
export class NoticeTransport extends Context.Service<
  NoticeTransport,
  {
    /**
     * Calls `heard` with the payload of each message with notices for this edge, until the caller's scope closes.
     * Returns the name under which workers send notices to this edge.
     */
    readonly listen: (heard: (payload: string) => void) => Effect.Effect<string, never, Scope.Scope>
    /** Sends a payload with notices to an edge. Without a connection to the broker, drops the payload. */
    readonly tell: (edge: string, payload: string) => void
  }
>()("purchases/nats/NoticeTransport") {
  static readonly layer = Layer.effect(
    NoticeTransport,
    Effect.gen(function* () {
      const { client, isConnected } = yield* Connection
      return NoticeTransport.of({
        listen: (heard) =>
          Effect.gen(function* () {
            const edge = nuid.next()
            yield* Effect.acquireRelease(
              Effect.sync(() =>
                client.subscribe(noticePrefix + edge, {
                  callback: (error, message) => {
                    if (error === null) heard(message.string())
                  }
                })
              ),
              (subscription) => Effect.sync(() => subscription.unsubscribe())
            )
            return edge
          }),
        tell: (edge, payload) => {
          if (isConnected()) client.publish(noticePrefix + edge, payload)
        }
      })
    })
  )
}
