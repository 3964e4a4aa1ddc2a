import { execFile } from "node:child_process"
import { join } from "node:path"
import { findPythonPackage } from "./PythonPackage.ts"
import type { Requirement } from "../../src/harness/system/Requirement.ts"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"

const version = "4.32.5"
const constraints = join(import.meta.dirname, "schemathesis-constraints.txt")

/** The program schemathesis, for tests that need it. */
export interface Schemathesis extends Requirement {
  readonly path: string
}

/** Finds schemathesis, or installs it. */
export const findSchemathesis = async (): Promise<Schemathesis> => {
  const found = await findPythonPackage("schemathesis", version, constraints)
  return { ...found, path: join(found.bin, "schemathesis") }
}

export interface Ran {
  readonly code: number
  readonly output: string
}

/** Runs schemathesis against an edge, with the configuration test/edge/schemathesis.toml. */
export const runSchemathesis = async (path: string, port: number, options: ReadonlyArray<string>): Promise<Ran> => {
  const config = join(projectRoot, "test/edge/schemathesis.toml")
  const url = `http://127.0.0.1:${port}/openapi.json`
  const args = ["--no-color", "--config-file", config, "run", url, ...options]
  return new Promise((resolve) => {
    // Schemathesis runs outside of the project, because schemathesis would leave its database of examples in the
    // project.
    execFile(path, args, { cwd: join(path, "../.."), maxBuffer: 64 * 1024 ** 2 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr })
    )
  })
}
