import { hostname, userInfo } from "node:os"
import { Effect, Layer, References, Schema } from "effect"
import { decodeTokenRecord, encodeTokenRecord, type TokenRecord } from "../../src/protocol/TokenRecord.ts"
import { type IssuedToken, newToken, revokedToken, rolledToken } from "../../src/edge/access/TokenChanges.ts"
import { Connection } from "../../src/nats/client/Connection.ts"
import { AuditLog } from "../../src/nats/AuditLog.ts"
import { TokenStore } from "../../src/nats/TokenStore.ts"
import { readEnvironment } from "../../src/Settings.ts"
import { brokerUrl } from "./BrokerUrl.ts"
import { Progress } from "./Progress.ts"

/** How long a command waits for the broker. */
const brokerWait = "10 seconds"

/** The failure of a command that changes tokens, with a message for people. */
export class TokenFailure extends Schema.TaggedError<TokenFailure>()("TokenFailure", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

/** A token with its record. */
export interface ListedToken {
  readonly id: string
  readonly record: TokenRecord
}

/** Returns the user and the machine of this process, which stand in the record of a new token. */
const maker = (): string => `${userInfo().username}@${hostname()}`

/** Returns the sequence and the record of a token. Fails if no token has this id. */
const found = Effect.fnUntraced(function* (id: string) {
  const store = yield* TokenStore
  const stored = yield* store.find(id)
  if (stored === undefined) return yield* new TokenFailure({ reason: `There is no token ${id}. List the tokens.` })
  return { sequence: stored.sequence, record: decodeTokenRecord(stored.text) }
})

/** Writes down who asks for the change of a token, and after that makes the change. */
const replace = Effect.fnUntraced(function* (what: string, id: string, record: TokenRecord, at: number) {
  const store = yield* TokenStore
  const log = yield* AuditLog
  yield* log.append({ v: 1, by: maker(), name: "command line", what, of: id, at: Date.now() })
  yield* store
    .replace(id, encodeTokenRecord(record), at)
    .pipe(
      Effect.catchTag("CommitConflict", () =>
        Effect.fail(new TokenFailure({ reason: `Somebody else has changed the token ${id} just now. Try again.` }))
      )
    )
})

/** Creates a token. */
export const createToken = Effect.fnUntraced(function* (
  rights: Omit<TokenRecord, "v" | "secrets" | "madeAt" | "madeBy">
): Effect.fn.Return<IssuedToken, unknown, TokenStore | AuditLog> {
  const made = newToken({ ...rights, madeAt: Date.now(), madeBy: maker() })
  yield* replace("createToken", made.id, made.record, 0)
  return made
})

/** Lists all tokens, in the order of their newest changes. */
export const listTokens = Effect.gen(function* () {
  const store = yield* TokenStore
  const tokens: Array<ListedToken> = []
  for (let last = 0; ;) {
    const page = yield* store.after(last)
    if (page.length === 0) return tokens
    for (const { id, sequence, text } of page) {
      tokens.push({ id, record: decodeTokenRecord(text) })
      last = sequence
    }
  }
})

/** Gives a token a new secret. The old secret of the token counts for `keepOldMilliseconds`. */
export const rollToken = Effect.fnUntraced(function* (
  id: string,
  keepOldMilliseconds: number
): Effect.fn.Return<IssuedToken, unknown, TokenStore | AuditLog> {
  const { sequence, record } = yield* found(id)
  if (record.revokedAt !== undefined) {
    return yield* new TokenFailure({ reason: `The token ${id} is revoked. Create another one.` })
  }
  const now = Date.now()
  const rolled = rolledToken(id, record, now, now + keepOldMilliseconds)
  yield* replace("rollToken", id, rolled.record, sequence)
  return rolled
})

/** Ends a token for ever. */
export const revokeToken = Effect.fnUntraced(function* (id: string) {
  const { sequence, record } = yield* found(id)
  yield* replace("revokeToken", id, revokedToken(record, Date.now()), sequence)
})

/** Shows that the command waits for the broker while the work runs. */
const showingProgress = <A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const progress = new Progress()
      progress.show(() => "waiting for the broker")
      progress.start()
      return progress
    }),
    () => work,
    (progress) => Effect.sync(() => progress.stop())
  )

/** Does a change of tokens on the broker that NATS_URL names. */
export const onBroker = <A>(change: Effect.Effect<A, unknown, TokenStore | AuditLog>): Effect.Effect<A, unknown> =>
  Effect.gen(function* () {
    const { natsUrl, brokerFiles } = yield* readEnvironment
    const url = brokerUrl(natsUrl)
    const connection = Connection.layer({ url, name: "purchases tokens", role: "admin", files: brokerFiles })
    const store = Layer.merge(TokenStore.layer, AuditLog.layer).pipe(Layer.provide(connection))
    return yield* change.pipe(
      Effect.provide(store),
      Effect.timeoutOrElse({
        duration: brokerWait,
        orElse: () =>
          Effect.fail(
            new TokenFailure({ reason: "The broker does not answer. Tokens are changed on the broker of NATS_URL." })
          )
      })
    )
  }).pipe(Effect.provideService(References.MinimumLogLevel, "Error"), showingProgress)
