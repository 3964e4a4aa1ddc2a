import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { isFrozen } from "./Freeze.ts"
import { testKeyFile } from "./TestKeys.ts"
import { compileCache, projectRoot, until } from "./TestBroker.ts"

/** The exit code or the signal with which a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const outputMax = 200_000

export interface TestProcessOptions {
  /** The options of node, which come before the program in the command line. */
  readonly nodeArguments?: ReadonlyArray<string>
  /** The program to run instead of the product's own, for a process with a planted mistake. */
  readonly program?: string
}

/** A worker, an edge or a judge in a separate process, started as start.sh starts it. */
export class TestProcess {
  private readonly child: ChildProcess
  /** Resolves when the process ends, with the exit code or the signal. */
  readonly ended: Promise<Ended>
  private text = ""

  constructor(
    role: "worker" | "edge" | "judge",
    environment: Readonly<Record<string, string>>,
    { nodeArguments = [], program = "src/main.ts" }: TestProcessOptions = {}
  ) {
    const node = join(projectRoot, "node_modules/.bin/node")
    this.child = spawn(node, [...nodeArguments, program, "--role", role], {
      cwd: projectRoot,
      env: {
        PATH: process.env["PATH"],
        NODE_COMPILE_CACHE: compileCache,
        LOG_LEVEL: "Warn",
        NATS_NKEY_FILE: testKeyFile,
        ...environment
      },
      stdio: ["ignore", "pipe", "pipe", "ipc"]
    })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (chunk: Buffer) => void (this.text = (this.text + chunk.toString()).slice(-outputMax)))
    }
    this.ended = once(this.child, "exit").then(([code, signal]) => ({ code, signal }))
  }

  /** The id of the process. */
  get pid(): number {
    const { pid } = this.child
    if (pid === undefined) throw new Error("the process did not start")
    return pid
  }

  /** The last characters of the process's output. */
  get output(): string {
    return this.text
  }

  /** Sends a message to the module that `nodeArguments` imported into the process. Returns the reply of the module. */
  async request(message: object): Promise<unknown> {
    const answered = once(this.child, "message").then(([answer]) => answer)
    this.child.send(message)
    const ended = this.ended.then(() => Promise.reject(new Error(`the process ended: ${this.text}`)))
    return Promise.race([answered, ended])
  }

  /** Sends a signal to the process, without waiting for the effect of the signal. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** Whether all threads of the process are stopped. */
  get isFrozen(): boolean {
    const { pid } = this.child
    return pid !== undefined && isFrozen(pid)
  }

  async untilFrozen(): Promise<void> {
    await until("the process is frozen", () => this.isFrozen)
  }

  async freeze(): Promise<void> {
    this.signal("SIGSTOP")
    await this.untilFrozen()
  }

  wake(): void {
    this.signal("SIGCONT")
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<Ended> {
    this.signal(signal)
    return this.ended
  }
}
