import { Context, Effect, Layer, type Scope } from "effect"
import { Connection } from "./Connection.ts"

/** Says whether the broker can be reached. The service `ConnectionState` sends no requests to the broker. */
export class ConnectionState extends Context.Service<
  ConnectionState,
  {
    /** Returns whether the broker can be reached now. */
    readonly isConnected: () => boolean
    /** Calls the listener each time the connection is back after a loss, until the scope closes. */
    readonly onReconnect: (listener: () => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("purchases/nats/ConnectionState") {
  static readonly layer = Layer.effect(
    ConnectionState,
    Effect.map(Connection, ({ isConnected, onReconnect }) => ConnectionState.of({ isConnected, onReconnect }))
  )
}
