import { Context, Effect, Layer, type Scope } from "effect"
import { Connection } from "./Connection.ts"

/**
 * Says whether the process is connected to the broker. The service `ConnectionState` sends no requests to the broker.
 */
export class ConnectionState extends Context.Service<
  ConnectionState,
  {
    /** Returns whether the process is connected to the broker now. */
    readonly isConnected: () => boolean
    /** Returns whether the broker belongs to a cluster. */
    readonly isClustered: () => boolean
    /** Calls the listener each time a lost connection is back, until the caller's scope closes. */
    readonly onReconnect: (listener: () => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("purchases/nats/ConnectionState") {
  static readonly layer = Layer.effect(
    ConnectionState,
    Effect.map(Connection, ({ isConnected, isClustered, onReconnect }) =>
      ConnectionState.of({ isConnected, isClustered, onReconnect })
    )
  )
}
