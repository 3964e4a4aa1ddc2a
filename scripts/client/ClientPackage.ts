import { execFile } from "node:child_process"
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import rootPackage from "../../package.json" with { type: "json" }

const run = promisify(execFile)
const root = fileURLToPath(new URL("../..", import.meta.url))
const sources = join(root, "src/client")

const packageJson = {
  name: "purchase-ledger-client",
  version: rootPackage.version,
  description: "The client of a purchase ledger that applies every purchase exactly once",
  license: rootPackage.license,
  type: "module",
  sideEffects: false,
  engines: { node: ">=20.3" },
  exports: { ".": { types: "./index.d.ts", default: "./index.js" } },
  files: ["*.js", "*.d.ts"]
}

/**
 * Compiles `src/client` into a directory, beside a package.json, the license and a README. The directory is removed
 * first, if it exists.
 */
const build = async (directory: string): Promise<void> => {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  const compiler = join(root, "node_modules/.bin/tsc")
  await run(compiler, ["--project", fileURLToPath(new URL("tsconfig.json", import.meta.url)), "--outDir", directory])
  await writeFile(join(directory, "package.json"), `${JSON.stringify(packageJson, undefined, 2)}\n`)
  await copyFile(join(root, "LICENSE"), join(directory, "LICENSE"))
  await copyFile(join(sources, "README.md"), join(directory, "README.md"))
}

/** Builds the package in a directory, and packs it. Returns the path of the tarball, which is in the directory. */
export const packClient = async (directory: string): Promise<string> => {
  await build(directory)
  const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts"], { cwd: directory })
  const [packed] = JSON.parse(stdout) as ReadonlyArray<{ readonly filename: string }>
  if (packed === undefined) throw new Error(`npm pack made no tarball in ${directory}: ${stdout}`)
  return join(directory, packed.filename)
}
