import { Context, Effect, Layer, type Scope } from "effect"
import { decodeToken, encodeToken, ruleCountPrefix } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"

/**
 * The counts of rules that judges tell. No stream keeps the counts, because they bound the rules of all users only
 * roughly.
 */
export class RuleCounts extends Context.Service<
  RuleCounts,
  {
    /** Tells the number of rules that are switched on. Tells nothing without a connection. */
    readonly tell: (judge: string, rules: number) => Effect.Effect<void>
    /** Hands on each count as judges tell it, until the scope closes. */
    readonly watch: (heard: (judge: string, rules: number) => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("purchases/nats/RuleCounts") {
  static readonly layer = Layer.effect(
    RuleCounts,
    Effect.map(Connection, ({ client, isConnected }) =>
      RuleCounts.of({
        tell: (judge, rules) =>
          Effect.sync(() => {
            if (isConnected()) client.publish(ruleCountPrefix + encodeToken(judge), String(rules))
          }),
        watch: (heard) =>
          Effect.acquireRelease(
            Effect.sync(() =>
              client.subscribe(`${ruleCountPrefix}*`, {
                callback: (_error, message) => {
                  const rules = Number(message.string())
                  const judge = decodeToken(message.subject.slice(ruleCountPrefix.length))
                  if (Number.isSafeInteger(rules)) heard(judge, rules)
                }
              })
            ),
            (subscription) => Effect.sync(() => subscription.unsubscribe())
          ).pipe(Effect.asVoid)
      })
    )
  )
}
