import { Effect, Layer, References } from "effect"
import { testKeyFile } from "../../src/harness/system/TestKeys.ts"
import { AuditLog } from "../../src/nats/AuditLog.ts"
import { Connection } from "../../src/nats/client/Connection.ts"
import { TokenStore } from "../../src/nats/TokenStore.ts"
import { scopes } from "../../src/protocol/Scope.ts"
import { createToken } from "../cli/TokenAdmin.ts"

/** Makes a token with every scope, for all users, on a broker of the tests. Returns the text that callers send. */
export const tokenOfCaller = (brokerUrl: string, name: string): Promise<string> => {
  const connection = Connection.layer({ url: brokerUrl, name, role: "admin", files: { nkey: testKeyFile } })
  const store = Layer.merge(TokenStore.layer, AuditLog.layer).pipe(Layer.provide(connection))
  const made = createToken({ name, scopes: Object.keys(scopes), users: "all" })
  return Effect.runPromise(
    made.pipe(Effect.provide(store), Effect.provideService(References.MinimumLogLevel, "Error"), Effect.scoped)
  ).then(({ token }) => token)
}
