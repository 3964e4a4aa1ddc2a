import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const runFile = promisify(execFile)
const finder = fileURLToPath(new URL("../nats.sh", import.meta.url))
/** Runs the tool with the key of the inspector. */
const wrapper = fileURLToPath(new URL("../nats", import.meta.url))
/** The longest output that is read: the purchases of one commit, and the table of a chain. */
const outputBytesMax = 64 * 1024 ** 2

/** Runs the nats command line tool with these words, and returns what it printed. */
export type NatsTool = (...words: ReadonlyArray<string>) => Promise<string>

/**
 * Returns the tool for the broker that the environment names, as start.sh does. Returns `undefined` if there is no tool
 * and none can be fetched. The tool uses no context of the person who runs the demo. The address is not in the list of
 * processes, because the address can hold a password.
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
