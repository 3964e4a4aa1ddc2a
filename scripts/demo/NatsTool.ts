import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const runFile = promisify(execFile)
const finder = fileURLToPath(new URL("../nats.sh", import.meta.url))
/** The path of the script that runs the nats command line tool with the key of the inspector. */
const wrapper = fileURLToPath(new URL("../nats", import.meta.url))
/** The longest output of the tool that is read, in bytes: the purchases of one commit, or the table of a chain. */
const outputBytesMax = 64 * 1024 ** 2

/** A function that runs the nats command line tool with these words, and returns the output of the tool. */
export type NatsTool = (...words: ReadonlyArray<string>) => Promise<string>

/**
 * Returns the nats command line tool for the broker that the environment names, as start.sh finds it. Returns
 * `undefined` if the machine has no tool, and no tool can be fetched. The tool uses no context of the person who runs
 * the demo. The broker's address is not an argument of the tool, because the list of processes would show a password in
 * the address.
 */
export const findNatsTool = async (environment: NodeJS.ProcessEnv): Promise<NatsTool | undefined> => {
  const found = runFile(finder, ["cli"])
  found.child.stderr?.pipe(process.stderr)
  const isFound = await found.then(
    () => true,
    () => false
  )
  if (!isFound) return undefined
  const options = { env: environment, maxBuffer: outputBytesMax }
  return async (...words) => {
    try {
      return (await runFile(wrapper, [...words], options)).stdout
    } catch (failure) {
      const { stderr = "", message } = failure as Error & { readonly stderr?: string }
      throw new Error(`nats ${words.join(" ")} failed: ${stderr.trim() || message}`, { cause: failure })
    }
  }
}
