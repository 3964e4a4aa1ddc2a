import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { cacheDirectory } from "./Cache.ts"
import type { Requirement } from "./Requirement.ts"
import { projectRoot } from "./TestBroker.ts"

const version = "4.32.5"
const run = promisify(execFile)

/** Schemathesis, for tests that need it. */
export interface Schemathesis extends Requirement {
  readonly path: string
}

/** Finds schemathesis in the cache, or installs it there from PyPI with the machine's python3. */
export const findSchemathesis = async (): Promise<Schemathesis> => {
  const directory = join(cacheDirectory(), `schemathesis-${version}`)
  const path = join(directory, "bin", "schemathesis")
  const found = {
    path,
    tests: "with schemathesis",
    missing: undefined,
    remedy: "Install python3 with venv and pip (Debian: python3-venv), and let pip reach PyPI once."
  }
  if (existsSync(path)) return found
  try {
    await run("python3", ["-m", "venv", directory])
    await run(join(directory, "bin", "pip"), ["install", "--quiet", `schemathesis==${version}`])
    return found
  } catch (cause) {
    const said = cause instanceof Error ? cause.message.trim().split("\n").at(-1) : String(cause)
    return { ...found, missing: `python3 and pip could not install schemathesis ${version} (${said})` }
  }
}

export interface Ran {
  readonly code: number
  readonly output: string
}

/** Runs it against an edge, with what test/edge/schemathesis.toml says. */
export const runSchemathesis = async (path: string, port: number, options: ReadonlyArray<string>): Promise<Ran> => {
  const config = join(projectRoot, "test/edge/schemathesis.toml")
  const url = `http://127.0.0.1:${port}/openapi.json`
  const args = ["--no-color", "--config-file", config, "run", url, ...options]
  return new Promise((resolve) => {
    // Away from the project, in which it would leave its database of examples.
    execFile(path, args, { cwd: join(path, "../.."), maxBuffer: 64 * 1024 ** 2 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr })
    )
  })
}
