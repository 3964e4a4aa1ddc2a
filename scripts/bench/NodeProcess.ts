import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { compileCache } from "../../src/harness/system/TestBroker.ts"
import type { Stoppable } from "./Ending.ts"

const linesKeptMax = 20
const stopWaitMilliseconds = 20_000

export interface NodeProcessOptions {
  /** The name of the process in printed lines, and in the name of its profile. */
  readonly name: string
  readonly script: string
  readonly arguments?: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  /**
   * The directory for a profile of the process's processor time. The profile of a process is written when the process
   * ends by itself.
   */
  readonly profiles?: string | undefined
  /** The most mebibytes of each half of the memory for short-lived objects; 128 by default. */
  readonly semiSpace?: number
}

/** A node process of the benchmark, with its messages and the lines that it logs. */
export class NodeProcess implements Stoppable {
  readonly name: string
  private readonly lines: Array<string> = []
  private readonly process: ChildProcess

  constructor(options: NodeProcessOptions) {
    this.name = options.name
    const profiling =
      options.profiles === undefined
        ? []
        : ["--cpu-prof", `--cpu-prof-dir=${options.profiles}`, `--cpu-prof-name=${options.name}.cpuprofile`]
    // The option of node for memory, with the same room for short-lived objects as in start.sh. The cache of compiled
    // code is the same as in start.sh too.
    const memory = `--max-semi-space-size=${options.semiSpace ?? 128}`
    this.process = spawn(process.execPath, [memory, ...profiling, options.script, ...(options.arguments ?? [])], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      serialization: "advanced",
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache, ...options.environment }
    })
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream === null) continue
      createInterface(stream).on("line", (line) => this.lines.length < linesKeptMax && this.lines.push(line))
    }
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error(`${this.name} could not be started`)
    return this.process.pid
  }

  get hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null
  }

  /**
   * Returns the newest lines that the process printed. The processes of the benchmark log only warnings and errors, so
   * usually a process prints no lines.
   */
  said(): Array<string> {
    return this.lines.map((line) => `${this.name}: ${line}`)
  }

  send(message: object): void {
    this.process.send(message)
  }

  /** Waits for the next message of a kind. Calls `between` with the other messages that come before. */
  message<Message extends { readonly kind: string }, Kind extends Message["kind"]>(
    kind: Kind,
    between: (message: Message) => void = () => undefined
  ): Promise<Extract<Message, { readonly kind: Kind }>> {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error(`${this.name} ended before it was done: ${this.lines.join("\n")}`))
      const listen = (message: Message) => {
        if (message.kind !== kind) return between(message)
        this.process.off("message", listen)
        this.process.off("exit", ended)
        resolve(message as Extract<Message, { readonly kind: Kind }>)
      }
      this.process.on("message", listen)
      this.process.once("exit", ended)
      if (this.hasEnded) ended()
    })
  }

  /** Kills the process at once, as a crash does. */
  async kill(): Promise<void> {
    if (this.hasEnded) return
    const ended = once(this.process, "exit")
    this.process.kill("SIGKILL")
    await ended
  }

  /** Tells the process to end after its work. Kills the process if it does not end by itself. */
  async stop(): Promise<void> {
    if (this.hasEnded) return
    const ended = once(this.process, "exit")
    this.process.kill("SIGTERM")
    const impatient = setTimeout(() => this.process.kill("SIGKILL"), stopWaitMilliseconds)
    await ended
    clearTimeout(impatient)
  }
}
