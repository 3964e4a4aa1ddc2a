import { Context, Effect, Layer, type Scope } from "effect"
import { Connection } from "./Connection.ts"

/** Whether the broker can be reached, for those who have to know; what they ask of it is behind other services. */
export class BrokerLink extends Context.Service<
  BrokerLink,
  {
    readonly isConnected: () => boolean
    /** Calls the listener each time the connection was lost and is there again, until the scope closes. */
    readonly onReconnect: (listener: () => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("purchases/nats/BrokerLink") {
  static readonly layer = Layer.effect(
    BrokerLink,
    Effect.map(Connection, ({ isConnected, onReconnect }) => BrokerLink.of({ isConnected, onReconnect }))
  )
}
