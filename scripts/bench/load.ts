// A process that sends HTTP requests to an edge, apart from it so that its processor time is not the edge's.
import { Agent, request as httpRequest } from "node:http"
import { decimalFromCents } from "../../src/domain/Money.ts"
import { openLoop } from "./OpenLoop.ts"
import { totalIn } from "./Totals.ts"
import { purchaseAt, userAt, type Workload } from "./Workload.ts"

export interface LoadOrder {
  readonly edgeUrl: string
  /** What is posted. */
  readonly workload: Workload
  readonly postsPerSecond: number
  readonly readsPerSecond: number
  /** At the beginning, what is due in this time counts for no latency. */
  readonly warmUpSeconds: number
}

/** Milliseconds from when a request should have been sent until its answer was read. */
export interface Latency {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export type LoadMessage =
  | { readonly kind: "progress"; readonly posted: number }
  | {
      readonly kind: "done"
      readonly posts: Latency
      readonly reads: Latency
      readonly readsSent: number
      /** Sent again, because the edge had closed the idle connection at the moment of its use. */
      readonly resent: number
      readonly failures: ReadonlyArray<string>
      readonly failuresCount: number
    }

interface Answer {
  readonly status: number
  readonly text: string
}

const connectionsMax = 256
/** The longest that an answer may take before it counts as a failure. */
const answerWaitMilliseconds = 20_000
const progressEveryMilliseconds = 500
const failuresNamedMax = 5

const tell = (message: LoadMessage) => process.send?.(message)

const latencyOf = (milliseconds: Array<number>): Latency => {
  const sorted = milliseconds.sort((one, other) => one - other)
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

const bodyOf = (workload: Workload, index: number): string => {
  const { valueCents, ...rest } = purchaseAt(workload, index)
  return `${JSON.stringify(rest).slice(0, -1)},"value":${decimalFromCents(valueCents)}}`
}

const run = async (order: LoadOrder): Promise<void> => {
  const { workload, postsPerSecond, readsPerSecond, warmUpSeconds } = order
  const { hostname, port } = new URL(order.edgeUrl)
  const agent = new Agent({ keepAlive: true, maxSockets: connectionsMax, maxFreeSockets: connectionsMax })
  const bodies = Array.from({ length: workload.purchases }, (_, index) => bodyOf(workload, index))
  const acknowledged = new Map<string, number>()
  const posts: Array<number> = []
  const reads: Array<number> = []
  const failures: Array<string> = []
  let failuresCount = 0
  let resent = 0
  let posted = 0

  const fail = (failure: string) => {
    failuresCount += 1
    if (failures.length < failuresNamedMax) failures.push(failure)
  }

  const exchangeOnce = (method: string, path: string, headers: Record<string, string>, body?: string) =>
    new Promise<Answer | "connection closed">((resolve, reject) => {
      const sending = httpRequest({ agent, hostname, port, method, path, headers, timeout: answerWaitMilliseconds })
      sending.once("timeout", () => sending.destroy(new Error(`no answer within ${answerWaitMilliseconds} ms`)))
      sending.once("error", (error: NodeJS.ErrnoException) =>
        sending.reusedSocket && error.code === "ECONNRESET" ? resolve("connection closed") : reject(error)
      )
      sending.once("response", (response) => {
        let text = ""
        response.setEncoding("utf8")
        response.on("data", (chunk: string) => (text += chunk))
        response.once("end", () => resolve({ status: response.statusCode ?? 0, text }))
        response.once("error", reject)
      })
      sending.end(body)
    })

  // Every purchase has its id, so that sending it twice does no harm.
  const exchange = async (...request: Parameters<typeof exchangeOnce>): Promise<Answer> => {
    for (;;) {
      const answer = await exchangeOnce(...request)
      if (answer !== "connection closed") return answer
      resent += 1
    }
  }

  const post = async (index: number, due: number) => {
    const body = bodies[index] ?? ""
    const headers = {
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
      prefer: "wait=5"
    }
    try {
      const { status, text } = await exchange("POST", "/purchases", headers, body)
      if (index >= warmUpSeconds * postsPerSecond) posts.push(performance.now() - due)
      posted += 1
      if (status !== 201) return fail(`POST /purchases answered ${status}: ${text}`)
      const { userId } = purchaseAt(workload, index)
      acknowledged.set(userId, (acknowledged.get(userId) ?? 0) + 1)
    } catch (cause) {
      fail(`POST /purchases: ${cause}`)
    }
  }

  const read = async (index: number, due: number) => {
    const userId = userAt((index * 7_919) % workload.users)
    const path = `/users/${userId}/total`
    const least = acknowledged.get(userId) ?? 0
    try {
      const { status, text } = await exchange("GET", path, {})
      if (index >= warmUpSeconds * readsPerSecond) reads.push(performance.now() - due)
      const total = totalIn(text)
      if (status !== 200 || total === undefined) return fail(`GET ${path} answered ${status}: ${text}`)
      if (total.count < least) fail(`GET ${path} has ${total.count} purchases of ${least} acknowledged before it`)
    } catch (cause) {
      fail(`GET ${path}: ${cause}`)
    }
  }

  const readsSent = Math.floor((workload.purchases / postsPerSecond) * readsPerSecond)
  const progress = setInterval(() => tell({ kind: "progress", posted }), progressEveryMilliseconds)
  await Promise.all([
    openLoop({ perSecond: postsPerSecond, requests: workload.purchases, send: post }),
    openLoop({ perSecond: readsPerSecond, requests: readsSent, send: read })
  ])
  clearInterval(progress)
  agent.destroy()
  tell({ kind: "done", posts: latencyOf(posts), reads: latencyOf(reads), readsSent, resent, failures, failuresCount })
}

// The benchmark ends it by a signal, and a broken channel means that the benchmark is gone.
process.once("disconnect", () => process.exit(1))
process.once("message", (order: LoadOrder) => {
  run(order).catch((cause) => {
    process.stderr.write(`${cause}\n`)
    process.exit(1)
  })
})
