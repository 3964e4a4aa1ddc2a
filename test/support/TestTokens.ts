import { Effect, Layer, ManagedRuntime, References } from "effect"
import { createToken, revokeToken, rollToken } from "../../scripts/cli/TokenAdmin.ts"
import { scopes } from "../../src/protocol/Scope.ts"
import type { TokenRecord } from "../../src/protocol/TokenRecord.ts"
import { Connection } from "../../src/nats/client/Connection.ts"
import { AuditLog } from "../../src/nats/AuditLog.ts"
import { testKeyFile } from "../../src/harness/system/TestKeys.ts"
import { TokenStore } from "../../src/nats/TokenStore.ts"

export const allScopes: ReadonlyArray<string> = Object.keys(scopes)

const idOf = (token: string): string => token.split("_")[1] ?? ""

/** The tokens on the broker of a test, as an operator changes them. */
export class TestTokens {
  private readonly runtime: ManagedRuntime.ManagedRuntime<TokenStore | AuditLog, unknown>

  constructor(url: string) {
    const connection = Connection.layer({ url, name: "test tokens", role: "admin", files: { nkey: testKeyFile } })
    const store = Layer.merge(TokenStore.layer, AuditLog.layer).pipe(Layer.provide(connection))
    this.runtime = ManagedRuntime.make(
      store.pipe(Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Error")))
    )
  }

  /** Makes a token with all rights, except for the rights that are given. */
  async create(rights: Partial<TokenRecord> = {}): Promise<string> {
    const made = createToken({ name: "test", scopes: allScopes, users: "all", ...rights })
    return (await this.runtime.runPromise(made)).token
  }

  async revoke(token: string): Promise<void> {
    await this.runtime.runPromise(revokeToken(idOf(token)))
  }

  async roll(token: string, keepOldMilliseconds: number): Promise<string> {
    return (await this.runtime.runPromise(rollToken(idOf(token), keepOldMilliseconds))).token
  }

  /** Writes a text as the record of a token, also a text that is no such record. */
  async write(id: string, text: string): Promise<void> {
    await this.runtime.runPromise(Effect.flatMap(Effect.service(TokenStore), (store) => store.replace(id, text, 0)))
  }

  async stop(): Promise<void> {
    await this.runtime.dispose()
  }
}

/** The header with a token. */
export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
