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
 * An edge that stores every line that it gets, except those for which `problemOf` returns a problem. After `answersMax`
 * answers this edge is silent, until `release` is called. `requests` has the ids of each request, in the order in which
 * they came.
 */
export const startStoring = async (
  problemOf: (line: string) => string | undefined = () => undefined,
  answersMax = Number.POSITIVE_INFINITY
) => {
  const requests: Array<Array<string>> = []
  let answers = 0
  let isReleased = false
  const edge = await startAnswering((request, response) => {
    response.writeHead(200, { "content-type": "application/x-ndjson" })
    const ids: Array<string> = []
    requests.push(ids)
    let begun = ""
    request.on("data", (chunk: Buffer) => {
      const lines = (begun + chunk.toString()).split("\n")
      begun = lines.pop() ?? ""
      for (const line of lines) {
        const { purchaseId } = JSON.parse(line) as { readonly purchaseId: string }
        ids.push(purchaseId)
        if (answers >= answersMax && !isReleased) continue
        answers += 1
        const problem = problemOf(line)
        const outcome =
          problem === undefined
            ? { status: "stored", userId: "u", purchaseId }
            : {
                status: "refused",
                problem: {
                  type: "urn:purchase-ledger:problem:refused-by-rules",
                  title: "t",
                  status: 422,
                  detail: problem
                }
              }
        response.write(`${JSON.stringify({ line: ids.length, ...outcome })}\n`)
      }
    })
    request.on("end", () => response.end())
  })
  return { ...edge, requests, ids: () => requests.flat(), release: () => void (isReleased = true) }
}
