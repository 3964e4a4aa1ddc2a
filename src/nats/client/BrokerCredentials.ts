import { readFileSync, statSync } from "node:fs"
import { Effect, Schema } from "effect"
import { type ConnectionOptions, credsAuthenticator, nkeyAuthenticator, nkeys } from "nats"
import { type BrokerRole, inboxPrefixOf } from "./BrokerRole.ts"

/** The files with which a process shows the broker who it is. `{role}` in a path stands for the role. */
export interface CredentialFiles {
  /** The seed of an nkey. */
  readonly nkey?: string
  /** A JWT with its seed, as `nsc` writes it. */
  readonly creds?: string
  /** The certificates of the authorities that may sign the broker's certificate. */
  readonly authority?: string
  /** The certificate of this process, for a broker that asks for one. */
  readonly certificate?: string
  /** The private key of `certificate`. */
  readonly certificateKey?: string
}

/** The setting that names each file. */
const settingOf = {
  nkey: "NATS_NKEY_FILE",
  creds: "NATS_CREDS_FILE",
  authority: "NATS_CA_FILE",
  certificate: "NATS_CERT_FILE",
  certificateKey: "NATS_CERT_KEY_FILE"
} as const

/** The permission bits of a file for users other than its owner. */
const othersMask = 0o077

/** A file of credentials cannot be used. The message names its setting and its path, and never its content. */
export class CredentialsRefused extends Schema.TaggedError<CredentialsRefused>()("CredentialsRefused", {
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

/** Returns the path of a role's file. */
export const pathForRole = (path: string, role: string): string => path.replaceAll("{role}", role)

const reasonOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && cause.code === "ENOENT" ? "there is no such file" : String(cause)

/** Reads a file. Fails if the file is missing, or if it holds a secret and users other than its owner may read it. */
const readFile = (
  name: keyof typeof settingOf,
  path: string,
  isSecret: boolean
): Effect.Effect<Uint8Array, CredentialsRefused> =>
  Effect.try({
    try: () => {
      if (isSecret && (statSync(path).mode & othersMask) !== 0) {
        throw new CredentialsRefused({
          problem: `The setting ${settingOf[name]} names ${path}, which users other than its owner may read. Run: chmod 600 ${path}`
        })
      }
      return readFileSync(path)
    },
    catch: (cause) =>
      cause instanceof CredentialsRefused
        ? cause
        : new CredentialsRefused({
            problem: `The setting ${settingOf[name]} names ${path}, which cannot be read (${reasonOf(cause)}).`
          })
  })

const trimmed = (bytes: Uint8Array): Uint8Array => new TextEncoder().encode(new TextDecoder().decode(bytes).trim())

/** Returns the part of the options with which a client proves its role. */
const authenticatorOf = (
  { nkey, creds }: CredentialFiles,
  role: BrokerRole
): Effect.Effect<Pick<ConnectionOptions, "authenticator">, CredentialsRefused> => {
  if (nkey !== undefined) {
    const path = pathForRole(nkey, role)
    return Effect.flatMap(readFile("nkey", path, true), (bytes) =>
      Effect.try({
        try: () => {
          const seed = trimmed(bytes)
          // The authenticator itself would read the seed only when the broker asks.
          nkeys.fromSeed(seed)
          return { authenticator: nkeyAuthenticator(seed) }
        },
        catch: () =>
          new CredentialsRefused({ problem: `The setting NATS_NKEY_FILE names ${path}, which holds no nkey.` })
      })
    )
  }
  if (creds === undefined) return Effect.succeed({})
  return Effect.map(readFile("creds", pathForRole(creds, role), true), (bytes) => ({
    authenticator: credsAuthenticator(bytes)
  }))
}

/** Returns the part of the options for TLS; no option if the connection may be in the clear. */
const tlsOf = Effect.fnUntraced(function* (files: CredentialFiles, role: BrokerRole, isEncrypted: boolean) {
  const { authority, certificate, certificateKey } = files
  if ((certificate === undefined) !== (certificateKey === undefined)) {
    return yield* new CredentialsRefused({ problem: "Set both NATS_CERT_FILE and NATS_CERT_KEY_FILE, or neither." })
  }
  const isWanted = isEncrypted || authority !== undefined || certificate !== undefined
  if (!isWanted) return {}
  const read = (name: "authority" | "certificate" | "certificateKey", path: string | undefined, isSecret = false) =>
    path === undefined
      ? Effect.succeed(undefined)
      : Effect.map(readFile(name, pathForRole(path, role), isSecret), (bytes) => new TextDecoder().decode(bytes))
  const ca = yield* read("authority", authority)
  const cert = yield* read("certificate", certificate)
  const key = yield* read("certificateKey", certificateKey, true)
  return {
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key })
    }
  }
})

/**
 * Returns the options with which a client connects in a role. Fails with `CredentialsRefused` if a file cannot be read, or
 * if users other than its owner may read a secret.
 */
export const connectionOptions = Effect.fnUntraced(function* (
  files: CredentialFiles,
  role: BrokerRole,
  address: { readonly isEncrypted: boolean; readonly credentials: object }
): Effect.fn.Return<ConnectionOptions, CredentialsRefused> {
  const given = [Object.keys(address.credentials).length > 0, files.nkey !== undefined, files.creds !== undefined]
  if (given.filter(Boolean).length > 1) {
    return yield* new CredentialsRefused({
      problem: "Give the broker one proof only: a name in NATS_URL, or NATS_NKEY_FILE, or NATS_CREDS_FILE."
    })
  }
  const authenticator = yield* authenticatorOf(files, role)
  // Without `tls`, the client ignores `tls://`, and sends its password in the clear to a broker that offers no TLS.
  const tls = yield* tlsOf(files, role, address.isEncrypted)
  return { ...address.credentials, ...authenticator, ...tls, inboxPrefix: inboxPrefixOf(role) }
})

/** Fails with `CredentialsRefused` if the files of a role cannot be used. */
export const checkCredentials = (files: CredentialFiles, role: BrokerRole): Effect.Effect<void, CredentialsRefused> =>
  Effect.asVoid(connectionOptions(files, role, { isEncrypted: false, credentials: {} }))
