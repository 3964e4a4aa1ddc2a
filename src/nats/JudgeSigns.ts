import { Context, Effect, Layer, type Scope } from "effect"
import { decodeToken, encodeToken, judgeSignPrefix } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"

/** A sign of life of a judge. */
export interface JudgeSign {
  readonly judge: string
  /** The number of the judge's process. A later process under the same name has a higher number. */
  readonly instance: number
  /** Whether the judge is ending, so that other judges should take its shards. */
  readonly isLeaving: boolean
}

/**
 * Sends and receives the signs of life of judges. No stream keeps the signs of life of judges. A lost sign of life
 * costs only time, because the stored position of a shard is the shard's lock.
 */
export class JudgeSigns extends Context.Service<
  JudgeSigns,
  {
    /** Sends a sign of life of this judge. Without a connection to the broker, sends nothing. */
    readonly give: (sign: JudgeSign) => Effect.Effect<void>
    /** Calls `heard` with each sign of life that a judge sends, until the scope closes. */
    readonly watch: (heard: (sign: JudgeSign) => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("purchases/nats/JudgeSigns") {
  static readonly layer = Layer.effect(
    JudgeSigns,
    Effect.map(Connection, ({ client, isConnected }) =>
      JudgeSigns.of({
        give: ({ judge, instance, isLeaving }) =>
          Effect.sync(() => {
            if (!isConnected()) return
            client.publish(judgeSignPrefix + encodeToken(judge), JSON.stringify({ instance, isLeaving }))
          }),
        watch: (heard) =>
          Effect.acquireRelease(
            Effect.sync(() =>
              client.subscribe(`${judgeSignPrefix}*`, {
                callback: (_error, message) => {
                  const judge = decodeToken(message.subject.slice(judgeSignPrefix.length))
                  heard({ judge, ...message.json<Omit<JudgeSign, "judge">>() })
                }
              })
            ),
            (subscription) => Effect.sync(() => subscription.unsubscribe())
          ).pipe(Effect.asVoid)
      })
    )
  )
}
