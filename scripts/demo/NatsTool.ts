import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const runFile = promisify(execFile)
const finder = fileURLToPath(new URL("../nats.sh", import.meta.url))
/** The longest output that is read: the purchases of one commit, and the table of a chain. */
const outputBytesMax = 64 * 1024 ** 2

/** Runs the nats command line tool with these words, and returns what it printed. */
export type NatsTool = (...words: ReadonlyArray<string>) => Promise<string>

/**
 * Returns the tool for the broker at `url`, or `undefined` if there is no tool and none can be fetched. The tool uses
 * no context of the person who runs the demo. The address is not in the list of processes, because the address can hold
 * a password.
 */
export const findNatsTool = async (url: string): Promise<NatsTool | undefined> => {
  const found = runFile(finder, ["cli"])
  found.child.stderr?.pipe(process.stderr)
  const path = await found.then(
    ({ stdout }) => stdout.trim(),
    () => undefined
  )
  if (path === undefined) return undefined
  const options = { env: { ...process.env, NATS_URL: url }, maxBuffer: outputBytesMax }
  return async (...words) => {
    try {
      return (await runFile(path, ["--no-context", ...words], options)).stdout
    } catch (failure) {
      const { stderr = "", message } = failure as Error & { readonly stderr?: string }
      throw new Error(`nats ${words.join(" ")} failed: ${stderr.trim() || message}`, { cause: failure })
    }
  }
}
