import { randomInt } from "node:crypto"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { isFrozen } from "./Freeze.ts"

export const projectRoot = new URL("../../..", import.meta.url).pathname
/** Where node keeps what it compiled, as start.sh has it. */
export const compileCache = join(projectRoot, "node_modules/.cache/node")

/** Below the ports that systems give to outgoing connections, which could take one before its server does. */
const freePorts = { from: 20_000, to: 32_000 }
/** Tests of several files run at once: each runner has its own part of the ports, and none takes another's. */
const runnersMax = 16
const runner = Number(process.env["VITEST_POOL_ID"] ?? 0) % runnersMax

const portsTriedMax = 1_000
/** What was given lately, and may not be listened on yet; far fewer than a runner has. */
const portsGiven: Array<number> = []
const portsGivenMax = 256

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })

/** A port on which nobody listens. */
export const freePort = async (): Promise<number> => {
  for (let tried = 0; tried < portsTriedMax; tried += 1) {
    const port = runner + runnersMax * randomInt(freePorts.from / runnersMax, freePorts.to / runnersMax)
    if (portsGiven.includes(port)) continue
    portsGiven.push(port)
    if (portsGiven.length > portsGivenMax) portsGiven.shift()
    if (await isFree(port)) return port
  }
  throw new Error(`${portsTriedMax} ports between ${freePorts.from} and ${freePorts.to} are taken`)
}

/** Waits until a condition holds, looking again and again; fails with its name after `withinMilliseconds`. */
export const until = async (
  what: string,
  holds: () => Promise<boolean> | boolean,
  withinMilliseconds = 60_000
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

let foundServer: string | undefined

/** Where the broker's program is. It is fetched, or built, when the machine has none yet. */
export const serverPath = (): string => {
  foundServer ??= execFileSync(join(projectRoot, "scripts/nats.sh"), ["server"], {
    encoding: "utf8",
    env: environment()
  }).trim()
  return foundServer
}

export interface TestBrokerOptions {
  /** Where it keeps its data, instead of in a temporary directory; they are left there in the end. */
  readonly directory?: string
  /** Its configuration, instead of the project's nats.conf. */
  readonly configuration?: string
  /** Arguments of the server beside its configuration. */
  readonly arguments?: ReadonlyArray<string>
}

/** A broker of a test's own: free ports, and unless told otherwise a temporary directory and the project's nats.conf. */
export class TestBroker {
  readonly port: number
  readonly monitorPort: number
  readonly directory: string
  private readonly isTemporary: boolean
  private readonly commandLine: ReadonlyArray<string>
  private process: ChildProcess | undefined

  private constructor(port: number, monitorPort: number, options: TestBrokerOptions) {
    this.port = port
    this.monitorPort = monitorPort
    this.isTemporary = options.directory === undefined
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), "purchase-ledger-test-"))
    this.commandLine = ["-c", options.configuration ?? join(projectRoot, "nats.conf"), ...(options.arguments ?? [])]
  }

  /** A broker with its ports, not started yet. */
  static async create(options: TestBrokerOptions = {}): Promise<TestBroker> {
    return new TestBroker(await freePort(), await freePort(), options)
  }

  /** Starts a broker, and waits until it is healthy. One that does not become healthy is stopped. */
  static async start(options: TestBrokerOptions = {}): Promise<TestBroker> {
    const broker = await TestBroker.create(options)
    try {
      await broker.run()
    } catch (failure) {
      await broker.stop()
      throw failure
    }
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

  /** What its monitoring answers; nothing when it does not run. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test reads is checked by what it expects
  monitoring(path: string): Promise<any> {
    return fetch(`http://127.0.0.1:${this.monitorPort}${path}`).then(
      (response) => response.json(),
      () => undefined
    )
  }

  get isRunning(): boolean {
    return this.process !== undefined && this.process.exitCode === null && this.process.signalCode === null
  }

  /** Starts it on the data that it left, and waits until it is healthy. */
  async run(withinMilliseconds?: number): Promise<void> {
    this.launch()
    await this.untilHealthy(withinMilliseconds)
  }

  /** Starts it, and waits for nothing: one broker of a cluster is not healthy without another. */
  launch(): void {
    this.process = spawn(serverPath(), this.commandLine, {
      stdio: "ignore",
      env: {
        ...environment(),
        NATS_PORT: String(this.port),
        NATS_MONITOR_PORT: String(this.monitorPort),
        NATS_STORE_DIR: join(this.directory, "nats")
      }
    })
  }

  async untilHealthy(withinMilliseconds?: number): Promise<void> {
    const isHealthy = async () => {
      if (!this.isRunning) throw new Error(`the broker ended with ${this.process?.exitCode}`)
      return (await this.monitoring("/healthz"))?.status === "ok"
    }
    await until("the broker is healthy", isHealthy, withinMilliseconds)
  }

  /** Sends a signal and does not wait for what comes of it. */
  signal(signal: NodeJS.Signals): void {
    this.process?.kill(signal)
  }

  /** Stops it, until it is woken. A signal alone returns while threads still run, and answer: 77 of 300 did on a busy machine. */
  async freeze(): Promise<void> {
    const { pid } = this
    this.signal("SIGSTOP")
    await until("the broker is frozen", () => isFrozen(pid))
  }

  wake(): void {
    this.signal("SIGCONT")
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const running = this.process
    if (running === undefined || !this.isRunning) return
    const ended = once(running, "exit")
    running.kill(signal)
    await ended
  }

  /** Ends it and removes its data, where they are temporary. */
  async stop(): Promise<void> {
    await this.kill("SIGKILL")
    if (this.isTemporary) rmSync(this.directory, { recursive: true, force: true })
  }
}
