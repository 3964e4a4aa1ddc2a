import { readFileSync, statSync } from "node:fs"
import type { Server } from "node:https"
import { Effect, Schema, type Scope } from "effect"

/** The files of the edge's certificate and its key, as PEM. */
export interface CertificateFiles {
  /** The certificate of the edge, and the certificates of the authorities up to the root authority. */
  readonly certificate: string
  readonly key: string
}

/** The options of the server for TLS. The server refuses TLS 1.0 and 1.1, which are not secure any more. */
interface CertificateOptions {
  readonly cert: Buffer
  readonly key: Buffer
  readonly minVersion: "TLSv1.2"
}

/** The permission bits of a file for users to whom the file does not belong. */
const othersMask = 0o077

/** The certificate of the edge cannot be used. */
export class CertificateRefused extends Schema.TaggedError<CertificateRefused>()("CertificateRefused", {
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

const readOne = (setting: string, path: string): Buffer => {
  try {
    return readFileSync(path)
  } catch {
    throw new CertificateRefused({ problem: `The setting ${setting} names ${path}, which cannot be read.` })
  }
}

/**
 * Reads the files. Throws `CertificateRefused` if a file cannot be read, or if the key can be read by users to whom its
 * file does not belong.
 */
const readOptions = ({ certificate, key }: CertificateFiles): CertificateOptions => {
  const options = { cert: readOne("TLS_CERT_FILE", certificate), key: readOne("TLS_KEY_FILE", key) }
  if ((statSync(key).mode & othersMask) !== 0) {
    throw new CertificateRefused({
      problem: `The setting TLS_KEY_FILE names ${key}, which users other than its owner may read. Run: chmod 600 ${key}`
    })
  }
  return { ...options, minVersion: "TLSv1.2" }
}

/** Turns the cause for which a certificate was refused into a `CertificateRefused`. */
export const certificateRefusal = (cause: unknown): CertificateRefused =>
  cause instanceof CertificateRefused
    ? cause
    : new CertificateRefused({
        problem: `The certificate of TLS_CERT_FILE and the key of TLS_KEY_FILE cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`
      })

/** Reads the certificate and the key of the edge. Fails with `CertificateRefused`, which names the file. */
export const readCertificate = (files: CertificateFiles): Effect.Effect<CertificateOptions, CertificateRefused> =>
  Effect.try({ try: () => readOptions(files), catch: certificateRefusal })

/**
 * Reads the files of the certificate again at each SIGHUP, until the Effect scope closes. New connections get the new
 * certificate. A certificate that cannot be used is logged, and the server keeps the certificate that it has.
 */
export const reloadAtHangup = (
  server: Pick<Server, "setSecureContext">,
  files: CertificateFiles
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const reload = readCertificate(files).pipe(
      Effect.flatMap((options) =>
        Effect.try({ try: () => server.setSecureContext(options), catch: certificateRefusal })
      ),
      Effect.andThen(Effect.logInfo("took the new certificate")),
      Effect.catch(({ problem }) => Effect.logError("kept the former certificate", problem)),
      Effect.annotateLogs({ certificate: files.certificate })
    )
    const hungUp = () => void run(reload)
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("SIGHUP", hungUp)),
      () => Effect.sync(() => process.off("SIGHUP", hungUp))
    )
  })
