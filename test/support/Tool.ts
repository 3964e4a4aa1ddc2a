import { execFile, spawnSync } from "node:child_process"

/** The most bytes that a tool may print. */
const outputBytesMax = 64 * 1024 ** 2
/** The most characters of a failed tool's output that its error repeats. */
const shownMax = 4_000

const installed = new Map<string, boolean>()

const starts = (tool: string): boolean =>
  ["--version", "-version", "version"].some((argument) => spawnSync(tool, [argument], { stdio: "ignore" }).status === 0)

/**
 * Returns whether a program is installed and starts, by asking the program for its version in one of the usual ways.
 */
export const isInstalled = (tool: string): boolean => {
  const found = installed.get(tool) ?? starts(tool)
  installed.set(tool, found)
  return found
}

/**
 * Runs a program in a directory. Returns its output. Throws an Error with the end of the output if the program fails.
 */
export const runTool = (
  directory: string,
  tool: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {}
): Promise<string> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, ...environment }
    execFile(tool, args, { cwd: directory, env, maxBuffer: outputBytesMax }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout)
      reject(new Error(`${[tool, ...args].join(" ").slice(0, shownMax)}: ${(stdout + stderr).slice(-shownMax)}`))
    })
  })
