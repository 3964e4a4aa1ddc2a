import { Context, Effect, Layer, type Scope } from "effect"
import { Connection } from "./Connection.ts"

/** Whether the broker can be reached, for those who have to know; what they ask of it is behind other services. */
export class ConnectionState extends Context.Service<
  ConnectionState,
  {
    readonly isConnected: () => boolean
    /** Calls the listener each time the connection was lost and is there again, until the scope closes. */
    readonly onReconnect: (listener: () => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("purchases/nats/ConnectionState") {
  static readonly layer = Layer.effect(
    ConnectionState,
    Effect.map(Connection, ({ isConnected, onReconnect }) => ConnectionState.of({ isConnected, onReconnect }))
  )
}
