import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"

/** The path by which the tests call the command. */
export const program = join(projectRoot, "scripts/purchases")

/** The exit of a command, and its whole output. */
export interface Ended {
  /** The exit code; `undefined` if a signal ended the command. */
  readonly code: number | undefined
  readonly out: string
  readonly error: string
}

const environmentOf = (url: string) => ({ ...process.env, PURCHASES_URL: url, PURCHASES: program })

/** Runs `scripts/purchases` for the service at a URL. */
export const purchasesAt = (url: string, ...words: ReadonlyArray<string>): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(program, words, { env: environmentOf(url) }, (failure, out, error) =>
      resolve({ code: failure === null ? 0 : typeof failure.code === "number" ? failure.code : undefined, out, error })
    )
  })

/** Runs a line in the shell, in which `$PURCHASES` is the command. */
export const shellAt = (url: string, line: string): Promise<Ended> =>
  new Promise((resolve) => {
    execFile("bash", ["-o", "pipefail", "-c", line], { env: environmentOf(url) }, (failure, out, error) =>
      resolve({ code: failure === null ? 0 : typeof failure.code === "number" ? failure.code : undefined, out, error })
    )
  })

/** A running command that a test interrupts. */
export class RunningCommand {
  private readonly child: ChildProcess
  private text = ""

  constructor(url: string, ...words: ReadonlyArray<string>) {
    this.child = spawn(program, words, { env: environmentOf(url), stdio: ["ignore", "ignore", "pipe"] })
    this.child.stderr?.on("data", (chunk: Buffer) => void (this.text += chunk.toString()))
  }

  /** Sends a signal. Returns the signal that ended the command, and its stderr. */
  async interrupt(signal: NodeJS.Signals): Promise<{ readonly endedBy: NodeJS.Signals | null; readonly said: string }> {
    const closed = once(this.child, "close")
    this.child.kill(signal)
    const [, endedBy] = (await closed) as [number | null, NodeJS.Signals | null]
    return { endedBy, said: this.text }
  }
}

/** A server that answers in place of the service. */
export const startAnswering = async (listener: RequestListener) => {
  const server = createServer(listener)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    }
  }
}

/** The body of a problem that asks the caller to try again. */
export const notNow = (detail: string) =>
  JSON.stringify({ type: "urn:purchase-ledger:problem:unavailable", title: "t", status: 503, detail, instance: "/" })

/**
 * An edge that stores every line that it gets, except those for which `problemOf` returns a problem. `ids` has the ids
 * of all lines in the order in which they came.
 */
export const startStoring = async (problemOf: (line: string) => string | undefined = () => undefined, delay = 0) => {
  const ids: Array<string> = []
  const edge = await startAnswering((request, response) => {
    response.writeHead(200, { "content-type": "application/x-ndjson" })
    let begun = ""
    let number = 0
    request.on("data", (chunk: Buffer) => {
      const lines = (begun + chunk.toString()).split("\n")
      begun = lines.pop() ?? ""
      const answers = lines.map((line) => {
        const { purchaseId } = JSON.parse(line) as { readonly purchaseId: string }
        ids.push(purchaseId)
        const problem = problemOf(line)
        number += 1
        return problem === undefined
          ? `{"line":${number},"status":"stored","userId":"u","purchaseId":${JSON.stringify(purchaseId)}}\n`
          : `{"line":${number},"status":"refused","problem":${JSON.stringify({ type: "urn:purchase-ledger:problem:refused-by-rules", title: "t", status: 422, detail: problem })}}\n`
      })
      setTimeout(() => response.write(answers.join("")), delay)
    })
    request.on("end", () => setTimeout(() => response.end(), delay + 5))
  })
  return { ...edge, ids }
}
