import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const projectRoot = new URL("../..", import.meta.url).pathname

/** A port of the loopback interface that nobody uses now. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  if (typeof address !== "object" || address === null) throw new Error("no port")
  return address.port
}

/** Waits until a condition holds, looking again and again; fails with its name after `withinMilliseconds`. */
export const until = async (
  what: string,
  holds: () => Promise<boolean> | boolean,
  withinMilliseconds = 20_000
): Promise<void> => {
  const end = performance.now() + withinMilliseconds
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${withinMilliseconds} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const environment = (): NodeJS.ProcessEnv => {
  const { NATS_URL: _url, ...rest } = process.env
  return rest
}

const serverPath = (): string =>
  execFileSync(join(projectRoot, "scripts/nats.sh"), ["server"], { encoding: "utf8", env: environment() }).trim()

export interface TestBrokerOptions {
  /** Where it keeps its data, instead of a temporary directory. */
  readonly directory?: string
  /** Its configuration, instead of the project's nats.conf. */
  readonly configuration?: string
}

/** A broker of a test's own: free ports, and unless told otherwise a temporary directory and the project's nats.conf. */
export class TestBroker {
  readonly port: number
  readonly monitorPort: number
  readonly directory: string
  private readonly configuration: string
  private process: ChildProcess | undefined

  private constructor(port: number, monitorPort: number, options: TestBrokerOptions) {
    this.port = port
    this.monitorPort = monitorPort
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), "purchase-ledger-test-"))
    this.configuration = options.configuration ?? join(projectRoot, "nats.conf")
  }

  static async start(options: TestBrokerOptions = {}): Promise<TestBroker> {
    const broker = new TestBroker(await freePort(), await freePort(), options)
    await broker.run()
    return broker
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  get pid(): number {
    const pid = this.process?.pid
    if (pid === undefined) throw new Error("the broker does not run")
    return pid
  }

  /** Starts it on the data that it left. */
  async run(): Promise<void> {
    const started = spawn(serverPath(), ["-c", this.configuration], {
      stdio: "ignore",
      env: {
        ...environment(),
        NATS_PORT: String(this.port),
        NATS_MONITOR_PORT: String(this.monitorPort),
        NATS_STORE_DIR: join(this.directory, "nats")
      }
    })
    this.process = started
    await until("the broker is healthy", async () => {
      if (started.exitCode !== null) throw new Error(`the broker ended with ${started.exitCode}`)
      return fetch(`http://127.0.0.1:${this.monitorPort}/healthz`).then(
        (response) => response.ok,
        () => false
      )
    })
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const running = this.process
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const ended = once(running, "exit")
    running.kill(signal)
    await ended
  }

  /** Ends it and removes its data. */
  async stop(): Promise<void> {
    await this.kill("SIGKILL")
    rmSync(this.directory, { recursive: true, force: true })
  }
}
