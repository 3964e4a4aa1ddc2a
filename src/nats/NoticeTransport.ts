import { Context, Effect, Layer, type Scope } from "effect"
import { nuid } from "nats"
import { noticePrefix } from "../domain/Subject.ts"
import { Connection } from "./Connection.ts"

/** What workers tell edges without being asked, over plain NATS: it may be lost, and nothing rests on it. */
export class NoticeTransport extends Context.Service<
  NoticeTransport,
  {
    /** Hands on each payload that is told to this edge, until the scope closes. Answers the name to tell it under. */
    readonly listen: (heard: (payload: string) => void) => Effect.Effect<string, never, Scope.Scope>
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
