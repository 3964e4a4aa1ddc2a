import { Effect, Layer } from "effect"
import { AlertStream, alertStreamConfig } from "../../src/nats/AlertStream.ts"
import { Connection } from "../../src/nats/client/Connection.ts"
import { ensureStream } from "../../src/nats/client/StreamSetup.ts"
import { testKeyFile } from "../../src/harness/system/TestKeys.ts"

const created = Layer.effectDiscard(
  Effect.flatMap(Connection, (connection) => ensureStream(connection, alertStreamConfig(1)))
)

/** The stream of alerts on a broker without the other streams, and a connection that may do everything. */
export const alertStreamLayer = (url: string) =>
  AlertStream.layer.pipe(
    Layer.provideMerge(created),
    Layer.provideMerge(Connection.layer({ url, name: "test", role: "admin", files: { nkey: testKeyFile } }))
  )
