import { fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { freePort, projectRoot, TestBroker, until } from "../system/TestBroker.ts"
import { setUpStreams, testSettings } from "../system/TestLedger.ts"
import { TestProcess } from "../system/TestProcess.ts"
import { type AttackName, attacks, dearPaths } from "./Attacks.ts"

/** The number of posts, and the number of reads, that the victim sends in a second. */
const requestsPerSecond = 10
/** The number of purchases of the account that the attack `6 greedy reads` reads. */
const richPurchases = 5_000
/** The number of reads of each path of the attack `6 greedy reads` with which the processes compile their code. */
const warmUpReads = 30
/** The statuses that say that the service did not serve the victim. */
const unserved = ["503", "504"]

export interface AbuseOptions {
  /** The length of each attack, in milliseconds. */
  readonly milliseconds: number
  /** Makes a token with all rights on the broker at this URL. */
  readonly createToken: (url: string, name: string) => Promise<string>
  readonly names?: ReadonlyArray<AttackName>
  readonly report?: (row: AbuseRow) => void
}

/** The time that each request of the victim took, in milliseconds, and the number of answers with each status. */
interface Served {
  readonly times: ReadonlyArray<number>
  readonly statuses: Readonly<Record<string, number>>
}

export interface AbuseRow {
  /** The attack, or `none` for the victim alone. */
  readonly attack: AttackName | "none"
  readonly posts: Served
  readonly reads: Served
  /** The number of answers with each status that the attacker got. */
  readonly attacker: Readonly<Record<string, number>>
}

/** Returns the time below which a share of the requests is, in milliseconds; `NaN` without a request. */
export const percentile = (times: ReadonlyArray<number>, share: number): number =>
  times.toSorted((one, other) => one - other)[Math.ceil(times.length * share) - 1] ?? Number.NaN

/** Returns how many requests of the victim the service did not serve. */
export const unservedIn = ({ posts, reads }: AbuseRow): number =>
  [posts, reads].reduce(
    (sum, { statuses }) => sum + unserved.reduce((part, status) => part + (statuses[status] ?? 0), 0),
    0
  )

/** Sends requests at fixed times, even if earlier requests are not answered yet. Waits for all answers. */
const asVictim = async (send: (number: number) => Promise<number>, milliseconds: number): Promise<Served> => {
  const times: Array<number> = []
  const statuses: Record<string, number> = {}
  const open: Array<Promise<void>> = []
  const began = performance.now()
  const one = async (number: number): Promise<void> => {
    const due = performance.now()
    const status = await send(number).then(String, () => "broken off")
    times.push(performance.now() - due)
    statuses[status] = (statuses[status] ?? 0) + 1
  }
  const count = Math.max(1, Math.floor((milliseconds / 1_000) * requestsPerSecond))
  for (let number = 0; number < count; number += 1) {
    const wait = began + (number * 1_000) / requestsPerSecond - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    open.push(one(number))
  }
  await Promise.all(open)
  return { times, statuses }
}

/**
 * Runs an attack in a separate process while `work` runs. Returns the result of `work`, and the number of answers with
 * each status that the attacker got.
 */
const attacked = async <A>(name: AttackName, port: number, token: string, work: () => Promise<A>) => {
  const child = fork(join(projectRoot, "src/harness/abuse/AttackProcess.ts"), [name, String(port), token])
  // The processor time of the attacker's start is not part of the attack.
  const ended = once(child, "exit").then((): AbuseRow["attacker"] => ({ "the attacker ended": 1 }))
  await Promise.race([once(child, "message"), ended])
  const result = await work()
  const counted = once(child, "message").then(([counts]) => counts as AbuseRow["attacker"])
  child.send("stop")
  const attacker = await Promise.race([counted, ended])
  child.kill("SIGKILL")
  return { result, attacker }
}

/**
 * Measures an honest caller, the victim, first alone and then during each attack. The attacker and the victim have
 * different tokens and the same address. The victim sends ten posts and ten reads a second.
 */
export const abuse = async ({ milliseconds, createToken, names, report = () => undefined }: AbuseOptions) => {
  const broker = await TestBroker.start()
  const port = await freePort()
  const environment = { NATS_URL: broker.url, AUTH: "tokens", PARTITIONS: "1", PORT: String(port) }
  await setUpStreams(testSettings(environment))
  const processes = [new TestProcess("worker", environment), new TestProcess("edge", environment)]
  const [victim, attacker] = [await createToken(broker.url, "victim"), await createToken(broker.url, "attacker")]
  const ask = async (method: string, path: string, body?: string): Promise<number> => {
    const init = { method, headers: { authorization: `Bearer ${victim}`, "content-type": "application/json" } }
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, body === undefined ? init : { ...init, body })
    await answer.arrayBuffer()
    return answer.status
  }
  const bought = (number: number, run: string) =>
    JSON.stringify({
      userId: "victim",
      purchaseId: `${run}-${number}`,
      productName: "Lamp",
      productType: "Office",
      value: 1,
      quantity: 1
    })
  const measure = async (run: string) => {
    const [posts, reads] = await Promise.all([
      asVictim((number) => ask("POST", "/purchases", bought(number, run)), milliseconds),
      asVictim(() => ask("GET", "/users/victim/total"), milliseconds)
    ])
    return { posts, reads }
  }
  const rows: Array<AbuseRow> = []
  const add = (row: AbuseRow): void => {
    rows.push(row)
    report(row)
  }
  try {
    await until("the edge serves the victim", async () => (await ask("GET", "/status").catch(() => 0)) === 200)
    await ask("POST", `/generate/${richPurchases}/rich`)
    for (let number = 0; number < warmUpReads; number += 1) for (const path of dearPaths) await ask("GET", path)
    await measure("warm")
    add({ attack: "none", ...(await measure("alone")), attacker: {} })
    for (const name of names ?? (Object.keys(attacks) as ReadonlyArray<AttackName>)) {
      const { result, attacker: counts } = await attacked(name, port, attacker, () => measure(name))
      add({ attack: name, ...result, attacker: counts })
    }
  } finally {
    for (const one of processes) one.signal("SIGKILL")
    await Promise.all(processes.map(({ ended }) => ended))
    await broker.stop()
  }
  return rows
}
