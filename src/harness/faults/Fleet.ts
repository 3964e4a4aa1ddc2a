import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { type Ask, askAt } from "../system/Shopper.ts"
import { freePort, TestBroker, until } from "../system/TestBroker.ts"
import { setUpStreams, testSettings } from "../system/TestLedger.ts"
import { TestProcess } from "../system/TestProcess.ts"
import { Proxy } from "./Proxy.ts"
import { SmallDisk } from "./SmallDisk.ts"

export interface FleetOptions {
  readonly workers: number
  readonly edges: number
  readonly judges: number
  readonly isCluster: boolean
  /** The settings of all processes of the fleet. */
  readonly environment: Readonly<Record<string, string>>
  /** The programs that members run instead of the product's own program, by the role or the name of the member. */
  readonly programs?: Readonly<Partial<Record<string, string>>>
  /** Called with a text about each event of a process, for the operation log. */
  readonly note: (text: string) => void
}

const startWithin = 120_000
const readyWithin = 5_000
/** The time within which a process must stop after SIGTERM, in milliseconds. After this time the process is killed. */
const leaveWithin = 30_000
/** Matches the log line of a worker whose commit the broker refused because a newer commit is stored. */
const refusedCommit = /compare-and-set/g
/** The most characters of a process's output that are reported if the process ends by itself. */
const lastWordsMax = 500
/** The wait before a process that ended by itself is started again, in milliseconds. */
const restartPause = 200

export type Role = "worker" | "edge" | "judge"

/**
 * A worker, an edge or a judge with a name, and with its own proxy to each broker. The process of a member may end and
 * be started again.
 */
class Member {
  readonly role: Role
  readonly name: string
  readonly proxies: ReadonlyArray<Proxy>
  readonly port: number
  readonly ask: Ask
  process: TestProcess | undefined
  /** Whether a fault uses the member, so that no other fault may choose the member. */
  isHeld = false
  isLeaving = false

  constructor(role: Role, name: string, proxies: ReadonlyArray<Proxy>, port: number) {
    this.role = role
    this.name = name
    this.proxies = proxies
    this.port = port
    this.ask = askAt(port)
  }
}
export type { Member }

/** One of the brokers, with the proxies between this broker and the other brokers. */
export interface Broker {
  readonly name: string
  readonly broker: TestBroker
  readonly routes: ReadonlyArray<Proxy>
  isHeld: boolean
}

/**
 * Starts brokers that replicate their streams. Each pair of brokers is connected by its own proxies, so that one broker
 * can be cut off from all other brokers.
 */
const clusterOf = async (
  names: ReadonlyArray<string>,
  directoryOf: (name: string) => string
): Promise<ReadonlyArray<Broker>> => {
  const ports = await Promise.all(names.map(() => freePort()))
  const ways: Array<{ readonly from: string; readonly to: string; readonly proxy: Proxy }> = []
  for (const from of names) {
    for (const [index, to] of names.entries()) {
      if (from !== to) ways.push({ from, to, proxy: await Proxy.to(ports[index] ?? 0) })
    }
  }
  // Brokers advertise their addresses to each other, and would connect to each other without the proxies. So that
  // brokers use the proxies, each broker advertises an address on which nobody listens.
  const nowhere = `127.0.0.1:${await freePort()}`
  return Promise.all(
    names.map(async (name, index) => {
      const outgoing = ways.filter(({ from }) => from === name).map(({ proxy }) => `nats://127.0.0.1:${proxy.port}`)
      const broker = await TestBroker.create({
        directory: directoryOf(name),
        arguments: [
          `--server_name=${name}`,
          "--cluster_name=faults",
          `--cluster=nats://127.0.0.1:${ports[index]}`,
          `--cluster_advertise=${nowhere}`,
          "--no_advertise=true",
          `--routes=${outgoing.join(",")}`
        ]
      })
      const routes = ways.filter(({ from, to }) => from === name || to === name).map(({ proxy }) => proxy)
      return { name, broker, routes, isHeld: false }
    })
  )
}

/** Returns a line of a broker's log without the time and the client. */
const reasonOfRefusal = (line: string): string => line.replace(/^.* cid:[0-9]+ - /, "")

/** All processes of a fault run, and the proxies between the processes. */
export class Fleet {
  readonly brokers: ReadonlyArray<Broker>
  readonly disk: SmallDisk | { readonly refused: string }
  readonly members = new Set<Member>()
  /** The number of commits that the broker refused, counted in the logs of the workers. */
  refusedCommits = 0
  /** The processes that ended without being told to, each with the end of its output. */
  readonly endedByThemselves: Array<string> = []
  /**
   * All processes of members that still run. A dying process stays in this set even after its member has a new process.
   */
  readonly running = new Set<TestProcess>()
  private readonly options: FleetOptions
  private readonly directory: string
  private isStopping = false
  private readonly abandonAtExit = () => this.abandon()

  private constructor(options: FleetOptions, directory: string, disk: Fleet["disk"], brokers: ReadonlyArray<Broker>) {
    this.options = options
    this.directory = directory
    this.disk = disk
    this.brokers = brokers
    process.once("exit", this.abandonAtExit)
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const directory = mkdtempSync(join(tmpdir(), "purchase-ledger-faults-"))
    const disk = SmallDisk.mount(directory)
    const directoryOf = (name: string) => {
      const own = join(disk instanceof SmallDisk && name === "broker-1" ? disk.directory : directory, name)
      mkdirSync(own)
      return own
    }
    const brokers = options.isCluster
      ? await clusterOf(["broker-1", "broker-2", "broker-3"], directoryOf)
      : [
          {
            name: "broker-1",
            broker: await TestBroker.create({ directory: directoryOf("broker-1") }),
            routes: [],
            isHeld: false
          }
        ]
    const fleet = new Fleet(options, directory, disk, brokers)
    try {
      for (const { broker } of brokers) broker.launch()
      for (const { broker } of brokers) await broker.untilHealthy(startWithin)
      const replicas = String(brokers.length)
      await setUpStreams(testSettings({ ...options.environment, NATS_URL: fleet.brokerUrls, REPLICAS: replicas }))
      for (let number = 1; number <= options.workers; number += 1) await fleet.add("worker", `worker-${number}`)
      for (let number = 1; number <= options.edges; number += 1) await fleet.add("edge", `edge-${number}`)
      for (let number = 1; number <= options.judges; number += 1) await fleet.add("judge", `judge-${number}`)
      await fleet.untilReady()
      if (fleet.endedByThemselves.length > 0) throw new Error(fleet.endedByThemselves.join("\n"))
      return fleet
    } catch (cause) {
      await fleet.stop()
      throw cause
    }
  }

  /** The addresses of the brokers themselves, and not of their proxies. No network cut affects these addresses. */
  get brokerUrls(): string {
    return this.brokers.map(({ broker }) => broker.url).join(",")
  }

  /** Returns the broker that leads the group that assigns streams to brokers; `undefined` without such a broker. */
  async leaderOfCluster(): Promise<Broker | undefined> {
    const states = await Promise.all(this.brokers.map(({ broker }) => broker.monitoring("/jsz")))
    return this.brokers.find(({ name }) => states.some((state) => state?.meta_cluster?.leader === name))
  }

  get edges(): ReadonlyArray<Member> {
    return [...this.members].filter(({ role }) => role === "edge")
  }

  /** Returns how many edges answer that they are ready for requests. */
  async readyEdges(): Promise<number> {
    const isReady = ({ ask }: Member) =>
      ask("/readyz", { signal: AbortSignal.timeout(readyWithin) }).then(
        ({ ok }) => ok,
        () => false
      )
    return (await Promise.all(this.edges.map(isReady))).filter(Boolean).length
  }

  async add(role: Role, name: string): Promise<Member> {
    const proxies = await Promise.all(this.brokers.map(({ broker }) => Proxy.to(broker.port)))
    const member = new Member(role, name, proxies, role === "edge" ? await freePort() : 0)
    this.members.add(member)
    this.launch(member)
    return member
  }

  /**
   * Starts the process of a member. Starts no process if the member has a process already, because two faults that end
   * together may both start a process. Starts no process if the member is leaving, because nobody would end the new
   * process.
   */
  launch(member: Member, environment: Readonly<Record<string, string>> = {}): void {
    if (this.isStopping || member.isLeaving || member.process !== undefined) return
    const program = this.options.programs?.[member.name] ?? this.options.programs?.[member.role]
    const started = new TestProcess(
      member.role,
      {
        ...this.options.environment,
        NATS_URL: member.proxies.map(({ port }) => `nats://127.0.0.1:${port}`).join(","),
        REPLICAS: String(this.brokers.length),
        WORKER_ID: member.name,
        PORT: String(member.port),
        ...environment
      },
      program === undefined ? {} : { program }
    )
    member.process = started
    this.running.add(started)
    void this.watch(member, started)
  }

  /** Starts a member's process again if the process ends without being told to. */
  private async watch(member: Member, started: TestProcess): Promise<void> {
    const { code, signal } = await started.ended
    this.running.delete(started)
    this.refusedCommits += started.output.match(refusedCommit)?.length ?? 0
    if (member.process !== started || this.isStopping || member.isLeaving) return
    member.process = undefined
    const what = `${member.name} ended by itself (${signal ?? code}): ${started.output.slice(-lastWordsMax)}`
    this.options.note(what)
    this.endedByThemselves.push(what)
    await pause(restartPause)
    if (member.process === undefined) this.launch(member)
  }

  /** Kills the process of a member with SIGKILL, and starts no other process for the member. */
  async end(member: Member): Promise<void> {
    const running = member.process
    member.process = undefined
    await running?.kill()
  }

  async killMember(member: Member): Promise<void> {
    await this.end(member)
    this.launch(member)
  }

  async killBroker({ broker }: Broker): Promise<void> {
    await broker.kill()
    if (!this.isStopping) broker.launch()
  }

  /** Stops the process of a member, and removes the member from the fleet. */
  async dismiss(member: Member): Promise<void> {
    member.isLeaving = true
    const running = member.process
    running?.signal("SIGTERM")
    const late = setTimeout(() => {
      this.options.note(`${member.name} did not stop within ${leaveWithin} ms`)
      running?.signal("SIGKILL")
    }, leaveWithin)
    await running?.ended
    clearTimeout(late)
    this.members.delete(member)
    await Promise.all(member.proxies.map((proxy) => proxy.close()))
  }

  /** Ends all network cuts, and wakes all frozen processes. */
  heal(): void {
    for (const { broker, routes } of this.brokers) {
      broker.wake()
      for (const route of routes) route.heal()
    }
    for (const member of this.members) {
      member.process?.wake()
      for (const proxy of member.proxies) proxy.heal()
    }
  }

  private async untilReady(): Promise<void> {
    const known = this.endedByThemselves.length
    const isThere = async () => (await this.readyEdges()) === this.edges.length || this.endedByThemselves.length > known
    await until("all edges are ready", isThere, startWithin)
  }

  /** Kills all processes at the same time with SIGKILL, and starts all processes again. */
  async restartAll(): Promise<void> {
    await Promise.all([...this.members].map((member) => this.end(member)))
    await Promise.all(this.brokers.map(({ broker }) => broker.kill()))
    for (const { broker } of this.brokers) broker.launch()
    for (const { broker } of this.brokers) await broker.untilHealthy(startWithin)
    for (const member of this.members) this.launch(member)
    await this.untilReady()
  }

  /** Ends all processes. Returns what the brokers logged about clients that they refused, each reason once. */
  async stop(): Promise<ReadonlyArray<string>> {
    this.isStopping = true
    this.heal()
    await Promise.all([...this.running].map((process) => process.kill()))
    await Promise.all(this.brokers.map(({ broker }) => broker.kill()))
    const refusals = this.brokers.flatMap(({ broker }) => broker.takeViolations().map(reasonOfRefusal))
    const stopped = await Promise.allSettled(this.brokers.map(({ broker }) => broker.stop()))
    const proxies = [
      ...[...this.members].flatMap((member) => member.proxies),
      ...this.brokers.flatMap(({ routes }) => routes)
    ]
    await Promise.all(proxies.map((proxy) => proxy.close()))
    this.abandon()
    for (const result of stopped) if (result.status === "rejected") throw result.reason
    return [...Map.groupBy(refusals, (reason) => reason)].map(
      ([reason, all]) => `a broker refused a client: ${reason} (${all.length} times)`
    )
  }

  /** Kills all processes and removes all files at once, when the test process exits. */
  private abandon(): void {
    process.off("exit", this.abandonAtExit)
    this.isStopping = true
    for (const started of this.running) started.signal("SIGKILL")
    for (const { broker } of this.brokers) broker.signal("SIGKILL")
    if (this.disk instanceof SmallDisk) this.disk.unmount()
    rmSync(this.directory, { recursive: true, force: true })
  }
}
