import { randomBytes } from "node:crypto"
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { nkeys } from "nats"

const folderMode = 0o700
const fileMode = 0o600
const secretBytes = 32

/** Returns the path of the file with a role's seed in a directory of keys. */
export const keyFile = (directory: string, role: string): string => join(directory, `${role}.nk`)

/**
 * Returns the content of a file. If the file is missing, first makes the file with the content that `make` returns.
 * Several processes may make the file at once, and all of these processes get the same content.
 */
const readOrMake = (path: string, make: () => string): string => {
  try {
    return readFileSync(path, "utf8").trim()
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "ENOENT")) throw cause
  }
  const complete = `${path}.${process.pid}-${randomBytes(4).toString("hex")}`
  writeFileSync(complete, `${make()}\n`, { mode: fileMode, flag: "wx" })
  try {
    // Other processes see a hard link only with its whole content, and a hard link never replaces the file of another
    // process.
    linkSync(complete, path)
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "EEXIST")) throw cause
  } finally {
    rmSync(complete)
  }
  return readFileSync(path, "utf8").trim()
}

const makeSeed = (): string => new TextDecoder().decode(nkeys.createUser().getSeed())

/**
 * Returns the public key of each role. Makes the missing keys in the directory, as files that only the user of this
 * process may read. Existing keys in the directory are not changed.
 */
export const ensureKeys = (directory: string, roles: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  mkdirSync(directory, { recursive: true, mode: folderMode })
  return new Map(
    roles.map((role) => {
      const seed = readOrMake(keyFile(directory, role), makeSeed)
      return [role, nkeys.fromSeed(new TextEncoder().encode(seed)).getPublicKey()]
    })
  )
}

/**
 * Returns the password with which the brokers of a cluster connect to each other. Makes the password if the password is
 * missing.
 */
export const ensureRoutePassword = (directory: string): string => {
  mkdirSync(directory, { recursive: true, mode: folderMode })
  return readOrMake(join(directory, "routes.password"), () => randomBytes(secretBytes).toString("hex"))
}
