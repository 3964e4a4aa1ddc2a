import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Requirement } from "../../src/harness/system/Requirement.ts"
import { isInstalled } from "./Tool.ts"

/** The requirement of tests that make certificates. */
export const opensslNeeded: Requirement = {
  tests: "with certificates",
  missing: isInstalled("openssl") ? undefined : "no openssl",
  remedy: "Install Debian's package openssl."
}

/** The files of a certificate and its key. */
export interface Certificate {
  readonly certificate: string
  readonly key: string
}

/** An authority of one test, which signs certificates for 127.0.0.1 and localhost. */
export class Certificates {
  readonly directory = mkdtempSync(join(tmpdir(), "certificates-"))
  readonly authority: string
  private readonly authorityKey: string

  constructor() {
    const { certificate, key } = this.pathsOf("authority")
    this.openssl("req", "-x509", ...this.newKey(key), "-out", certificate, "-days", "1", "-subj", "/CN=test authority")
    this.authority = certificate
    this.authorityKey = key
  }

  /** Makes a certificate whose subject has this name. Makes another certificate if the name had one before. */
  make(name: string): Certificate {
    const paths = this.pathsOf(name)
    const request = join(this.directory, `${name}.csr`)
    const names = join(this.directory, `${name}.ext`)
    writeFileSync(names, "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    this.openssl("req", ...this.newKey(paths.key), "-out", request, "-subj", `/CN=${name}`)
    const signedBy = ["-CA", this.authority, "-CAkey", this.authorityKey, "-CAcreateserial"]
    const written = ["-out", paths.certificate, "-days", "1", "-extfile", names]
    this.openssl("x509", "-req", "-in", request, ...signedBy, ...written)
    return paths
  }

  remove(): void {
    rmSync(this.directory, { recursive: true })
  }

  private pathsOf(name: string): Certificate {
    return { certificate: join(this.directory, `${name}.crt`), key: join(this.directory, `${name}.key`) }
  }

  /** Returns the options for a new key of an elliptic curve. openssl makes the file for its owner alone. */
  private newKey(path: string): ReadonlyArray<string> {
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path]
  }

  private openssl(...words: ReadonlyArray<string>): void {
    execFileSync("openssl", words, { stdio: ["ignore", "ignore", "pipe"] })
  }
}
