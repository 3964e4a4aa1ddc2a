import { readFileSync, statSync } from "node:fs"
import { Effect, Schema } from "effect"
import { type ConnectionOptions, credsAuthenticator, nkeyAuthenticator, nkeys } from "nats"
import { type BrokerRole, inboxPrefixOf } from "./BrokerRole.ts"

/** The files with which a process proves its role to the broker. `{role}` in a path stands for the name of the role. */
export interface CredentialFiles {
  /** The path of the file with the seed of an nkey. */
  readonly nkey?: string
  /** The path of a file with a JWT and its seed, as the tool `nsc` writes it. */
  readonly creds?: string
  /** The path of the file with the certificates of the authorities that may sign the broker's certificate. */
  readonly authority?: string
  /** The path of the file with this process's certificate, for a broker that asks for a certificate. */
  readonly certificate?: string
  /** The path of the file with the private key of `certificate`. */
  readonly certificateKey?: string
}

/** For each file, the name of the setting with the path of the file. */
const settingOf = {
  nkey: "NATS_NKEY_FILE",
  creds: "NATS_CREDS_FILE",
  authority: "NATS_CA_FILE",
  certificate: "NATS_CERT_FILE",
  certificateKey: "NATS_CERT_KEY_FILE"
} as const

/** The permission bits of a file for all users of the machine but the file's owner. */
const othersMask = 0o077

/**
 * The failure if a process cannot use a file of credentials. The message of `CredentialsRefused` names the setting and
 * the path of the file, and never shows the file's content.
 */
export class CredentialsRefused extends Schema.TaggedError<CredentialsRefused>()("CredentialsRefused", {
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

/** Returns a path in which the name of a role replaces `{role}`. */
export const pathForRole = (path: string, role: string): string => path.replaceAll("{role}", role)

const reasonOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && cause.code === "ENOENT" ? "there is no such file" : String(cause)

/**
 * Reads a file of credentials. Fails if the file is missing, or if the file has a secret and other users than the
 * file's owner may read the file.
 */
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

/** Returns the part of the connection options with which a client proves its role. */
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
          // The seed is checked here, because the authenticator reads the seed only when the broker asks for a
          // signature.
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

/** Returns the part of the connection options for TLS; no options if the connection may be unencrypted. */
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
 * Returns the options with which a client connects in a role. Fails with `CredentialsRefused` if a file cannot be read,
 * or if other users than the file's owner may read a secret.
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
  // Without the option `tls`, the client ignores `tls://` in a URL, and sends its password unencrypted to a broker that
  // offers no TLS.
  const tls = yield* tlsOf(files, role, address.isEncrypted)
  return { ...address.credentials, ...authenticator, ...tls, inboxPrefix: inboxPrefixOf(role) }
})

/** Fails with `CredentialsRefused` if the files of a role cannot be used. */
export const checkCredentials = (files: CredentialFiles, role: BrokerRole): Effect.Effect<void, CredentialsRefused> =>
  Effect.asVoid(connectionOptions(files, role, { isEncrypted: false, credentials: {} }))
