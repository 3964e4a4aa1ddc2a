import { randomInt } from "node:crypto"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { isFrozen } from "./Freeze.ts"
import { testUsers } from "./TestKeys.ts"

/** The root directory of the project. */
export const projectRoot = new URL("../../..", import.meta.url).pathname
/** The directory of node's compile cache, which is the same as in start.sh. */
export const compileCache = join(projectRoot, "node_modules/.cache/node")

/**
 * The ports for tests. The ports for tests are below the ephemeral ports, because an outgoing connection could take an
 * ephemeral port before a server does.
 */
const freePorts = { from: 20_000, to: 32_000 }
/** The most test runners that run at the same time. Each runner has its own part of the ports for tests. */
const runnersMax = 4
/** A port of a test begins a row of this many ports, because start.sh takes the ports after `PORT` for further processes. */
const portsInRow = 4
const runner = Number(process.env["VITEST_POOL_ID"] ?? 0) % runnersMax

const portsTriedMax = 1_000
/**
 * The ports that were given out lately. Perhaps no server listens on these ports yet. The list of ports is shorter than
 * the range of ports of one test runner.
 */
const portsGiven: Array<number> = []
const portsGivenMax = 256

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })

/** Returns a port on which nobody listens. */
export const freePort = async (): Promise<number> => {
  for (let tried = 0; tried < portsTriedMax; tried += 1) {
    const rowsOfAll = runnersMax * portsInRow
    const port = portsInRow * runner + rowsOfAll * randomInt(freePorts.from / rowsOfAll, freePorts.to / rowsOfAll)
    if (portsGiven.includes(port)) continue
    portsGiven.push(port)
    if (portsGiven.length > portsGivenMax) portsGiven.shift()
    if (await isFree(port)) return port
  }
  throw new Error(`${portsTriedMax} ports between ${freePorts.from} and ${freePorts.to} are taken`)
}

/**
 * Checks a condition again and again, and returns when the condition holds. If the condition does not hold within
 * `withinMilliseconds`, throws an Error with the name of the condition.
 */
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

/** Returns the path of the broker's program. Fetches or builds the program if the machine does not have it. */
export const serverPath = (): string => {
  foundServer ??= execFileSync(join(projectRoot, "scripts/nats.sh"), ["server"], {
    encoding: "utf8",
    env: environment()
  }).trim()
  return foundServer
}

export interface TestBrokerOptions {
  /**
   * The directory of the broker's data, which stays when the broker ends. If `directory` is missing, the data are in a
   * temporary directory.
   */
  readonly directory?: string
  /**
   * The path of the broker's configuration, instead of the project's nats.conf. The configuration of the users is added
   * to this configuration.
   */
  readonly configuration?: string
  /** `false` leaves out the users of the ledger, for a broker that asks for no credentials, or that has other users. */
  readonly hasUsers?: boolean
  /** Further arguments of the broker's program. */
  readonly arguments?: ReadonlyArray<string>
}

/** Matches a line of the broker's log about a client that tried something that its role does not allow. */
const violation = / Violation |authentication error/

/**
 * A broker for one test, on free ports. By default a test broker has a temporary directory, the project's nats.conf,
 * and the users and permissions of the ledger. `stop` fails if a client has tried something that its role does not
 * allow.
 */
export class TestBroker {
  readonly port: number
  readonly monitorPort: number
  readonly directory: string
  private readonly isTemporary: boolean
  private readonly options: TestBrokerOptions
  /**
   * The directory of the broker's configuration and log. The directory of the log is apart from the data, because a
   * test may take away the disk with the data.
   */
  private readonly scratch = mkdtempSync(join(tmpdir(), "purchase-ledger-broker-"))
  private process: ChildProcess | undefined
  private violationsTaken = 0

  private constructor(port: number, monitorPort: number, options: TestBrokerOptions) {
    this.port = port
    this.monitorPort = monitorPort
    this.isTemporary = options.directory === undefined
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), "purchase-ledger-test-"))
    this.options = options
  }

  /** Makes a broker that has its ports, but is not started. */
  static async create(options: TestBrokerOptions = {}): Promise<TestBroker> {
    return new TestBroker(await freePort(), await freePort(), options)
  }

  /** Starts a broker, and waits until it is healthy. Stops the broker if it does not become healthy. */
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

  /** Returns the answer of the broker's monitoring page; `undefined` if the broker does not run. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each test checks the values that it reads
  monitoring(path: string): Promise<any> {
    return fetch(`http://127.0.0.1:${this.monitorPort}${path}`).then(
      (response) => response.json(),
      () => undefined
    )
  }

  get isRunning(): boolean {
    return this.process !== undefined && this.process.exitCode === null && this.process.signalCode === null
  }

  /** Starts the broker on its previous data, and waits until it is healthy. */
  async run(withinMilliseconds?: number): Promise<void> {
    this.launch()
    await this.untilHealthy(withinMilliseconds)
  }

  /** Starts the broker without waiting until it is healthy, because one broker of a cluster is not healthy alone. */
  launch(): void {
    const { configuration = join(projectRoot, "nats.conf"), hasUsers = true } = this.options
    const path = join(this.scratch, "broker.conf")
    const included = `include ${JSON.stringify(relative(this.scratch, configuration))}\n`
    writeFileSync(path, included + (hasUsers ? testUsers() : ""))
    const log = openSync(this.logPath, "a")
    // The monitoring port answers requests of any web page, so only brokers of tests open it.
    const monitoring = ["-m", String(this.monitorPort)]
    this.process = spawn(serverPath(), ["-c", path, ...monitoring, ...(this.options.arguments ?? [])], {
      stdio: ["ignore", log, log],
      env: { ...environment(), NATS_PORT: String(this.port), NATS_STORE_DIR: join(this.directory, "nats") }
    })
    closeSync(log)
  }

  private get logPath(): string {
    return join(this.scratch, "broker.log")
  }

  /** Returns everything that the broker logged; an empty text before its first start. */
  log(): string {
    return existsSync(this.logPath) ? readFileSync(this.logPath, "utf8") : ""
  }

  /**
   * Returns and forgets the violations of permissions since the last call. A test that expects violations calls
   * `takeViolations`.
   */
  takeViolations(): ReadonlyArray<string> {
    const lines = this.log()
      .split("\n")
      .filter((line) => violation.test(line))
    return lines.slice(this.violationsTaken, (this.violationsTaken = lines.length))
  }

  async untilHealthy(withinMilliseconds?: number): Promise<void> {
    const isHealthy = async () => {
      if (!this.isRunning) throw new Error(`the broker ended with ${this.process?.exitCode}: ${this.log()}`)
      return (await this.monitoring("/healthz"))?.status === "ok"
    }
    await until("the broker is healthy", isHealthy, withinMilliseconds)
  }

  /** Sends a signal to the broker, without waiting for the effect of the signal. */
  signal(signal: NodeJS.Signals): void {
    this.process?.kill(signal)
  }

  /**
   * Stops all threads of the broker until it is woken. A signal alone is not enough, because threads of the broker may
   * still run and answer after the signal.
   */
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

  /**
   * Ends the broker, and removes its data if the directory is temporary. Fails if a client has violated the permissions
   * of its role, unless a test has taken the violations.
   */
  async stop(): Promise<void> {
    await this.kill("SIGKILL")
    const violations = this.takeViolations()
    if (this.isTemporary) rmSync(this.directory, { recursive: true, force: true })
    rmSync(this.scratch, { recursive: true, force: true })
    if (violations.length > 0) throw new Error(`the broker refused clients:\n${violations.join("\n")}`)
  }
}
