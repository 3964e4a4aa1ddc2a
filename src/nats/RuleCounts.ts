import { Context, Effect, Layer, type Scope } from "effect"
import { decodeToken, encodeToken, ruleCountPrefix } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"

/**
 * Sends and receives the numbers of switched-on rules that judges have counted. No stream keeps the numbers of
 * switched-on rules, because the numbers only serve a rough bound on the rules of all users.
 */
export class RuleCounts extends Context.Service<
  RuleCounts,
  {
    /**
     * Sends the number of switched-on rules that a judge has counted. Without a connection to the broker, sends
     * nothing.
     */
    readonly tell: (judge: string, rules: number) => Effect.Effect<void>
    /** Calls `heard` with each number of rules that a judge sends, until the scope closes. */
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
