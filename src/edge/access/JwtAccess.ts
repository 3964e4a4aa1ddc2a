import { readFile } from "node:fs/promises"
import { Clock, Duration, Effect, Layer, Schema } from "effect"
import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from "jose"
import { AccessControl, auditing } from "./Access.ts"
import { EndWatch } from "./EndWatch.ts"
import { type JwtSettings, JwtVerifier } from "./JwtVerifier.ts"

/** The time between two reads of the file with keys, so that the issuer of tokens can change its keys. */
const fileReadEvery = Duration.seconds(10)
/** The time between two searches for callers whose token has expired. */
const expiryEvery = Duration.seconds(1)

/** Fails the start of an edge, because the file with the keys of the token issuer cannot be read. */
export class KeysUnreadable extends Schema.TaggedError<KeysUnreadable>()("KeysUnreadable", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `The file ${this.file} of JWT_KEYS has no JSON web key set: ${this.reason}. Set JWT_KEYS to another one.`
  }
}

const keysIn = (file: string) =>
  Effect.tryPromise({
    try: async () => createLocalJWKSet(JSON.parse(await readFile(file, "utf8")) as JSONWebKeySet),
    catch: (cause) => new KeysUnreadable({ file, reason: cause instanceof Error ? cause.message : String(cause) })
  })

/**
 * Returns the issuer's keys, which are in a file. Reads the file with keys again from time to time. While the file
 * cannot be read, the keys of the last read stay valid.
 */
const fileKeys = Effect.fnUntraced(function* (file: string) {
  let keys = yield* keysIn(file)
  const readAgain = keysIn(file).pipe(
    Effect.map((read) => void (keys = read)),
    Effect.catch((failure) => Effect.logWarning(failure.message)),
    Effect.delay(fileReadEvery)
  )
  yield* Effect.forkScoped(Effect.forever(readAgain))
  return ((header, token) => keys(header, token)) satisfies JWTVerifyGetKey
})

/** Makes the access of an edge whose callers have JSON web tokens of an issuer. `keys` is a URL or the path of a file. */
export const jwtAccessLayer = (keys: string, settings: JwtSettings) =>
  Layer.effect(
    AccessControl,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const known = /^https?:/.test(keys) ? createRemoteJWKSet(new URL(keys)) : yield* fileKeys(keys)
      const verifier = new JwtVerifier(known, settings, () => clock.currentTimeMillisUnsafe())
      const ends = new EndWatch()
      const audit = yield* auditing
      yield* Effect.sync(() => ends.check()).pipe(Effect.delay(expiryEvery), Effect.forever, Effect.forkScoped)
      return AccessControl.of({
        access: {
          isReady: () => true,
          identify: (token) => verifier.identify(token),
          onEnd: (caller, ended) => ends.add(caller, ended),
          audit
        }
      })
    })
  )
