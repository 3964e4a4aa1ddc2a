// A process that sends HTTP requests to an edge, so that the processor time of sending does not count as the edge's.
import { decimalFromCents } from "../../src/account/Money.ts"
import { closedLoop } from "./ClosedLoop.ts"
import { HttpConnections } from "./HttpConnections.ts"
import { getRequest, postRequest } from "./HttpRequest.ts"
import { openLoop } from "./OpenLoop.ts"
import { PreparedRequests } from "./PreparedRequests.ts"
import { totalIn } from "./TotalBody.ts"
import { purchaseAt, type Range, userAt, type Workload } from "./Workload.ts"

/** An open loop with a number of requests a second, or a closed loop with a number of requests at once. */
export type Pace = { readonly perSecond: number } | { readonly atOnce: number }

export interface LoadOrder {
  readonly edgeUrl: string
  /** The token that each request of the load sends; `undefined` for an edge that asks for no tokens. */
  readonly token?: string | undefined
  readonly workload: Workload
  /**
   * The purchases to post. `until` says whether a post is answered when its purchase is applied, or when it is stored.
   */
  readonly posts?: Range & { readonly pace: Pace; readonly until: "applied" | "stored" }
  /** Strong reads of totals, which are sent during the posts. */
  readonly reads?: { readonly count: number; readonly pace: Pace }
}

export interface LoadResult {
  readonly milliseconds: number
  /** The latency of each post, in milliseconds from the time at which the post was due. */
  readonly posts: ReadonlyArray<number>
  readonly reads: ReadonlyArray<number>
  readonly resent: number
  readonly failures: ReadonlyArray<string>
  readonly failuresCount: number
}

export type LoadMessage =
  | { readonly kind: "progress"; readonly answered: number }
  | { readonly kind: "prepared" }
  | ({ readonly kind: "done" } & LoadResult)

const connectionsMax = 256
const progressEveryMilliseconds = 500
const failuresNamedMax = 5

const tell = (message: LoadMessage) => process.send?.(message)

const bodyOf = (workload: Workload, index: number): string => {
  const { valueCents, ...rest } = purchaseAt(workload, index)
  return `${JSON.stringify(rest).slice(0, -1)},"value":${decimalFromCents(valueCents)}}`
}

const paced = (pace: Pace, requests: number, send: (index: number, due: number) => Promise<void>): Promise<void> =>
  "perSecond" in pace
    ? openLoop({ perSecond: pace.perSecond, requests, send })
    : closedLoop({ atOnce: pace.atOnce, requests, send: (index) => send(index, performance.now()) })

/**
 * The connections stay open between two orders, because in an open loop the opening of a connection would count as
 * latency.
 */
let kept: HttpConnections | undefined

/** The number of purchases that were answered as applied, by user. Every later read has to include these purchases. */
const applied = new Map<string, number>()

const run = async ({ edgeUrl, token, workload, posts, reads }: LoadOrder): Promise<LoadResult> => {
  const connections = (kept ??= new HttpConnections(edgeUrl, connectionsMax))
  const resentBefore = connections.resent
  const { from = 0, to = 0, until = "stored" } = posts ?? {}
  const requests = new PreparedRequests(to - from, (index) => postRequest(bodyOf(workload, from + index), until, token))
  const postTimes: Array<number> = []
  const readTimes: Array<number> = []
  const failures: Array<string> = []
  let failuresCount = 0

  const fail = (failure: string) => {
    failuresCount += 1
    if (failures.length < failuresNamedMax) failures.push(failure)
  }

  const post = async (index: number, due: number) => {
    try {
      const { status, text } = await connections.exchange(requests.at(index))
      postTimes.push(performance.now() - due)
      if (status !== (until === "applied" ? 201 : 202)) return fail(`POST /purchases answered ${status}: ${text}`)
      if (until === "stored" || workload.repeatEvery > 0) return
      const { userId } = purchaseAt(workload, from + index)
      applied.set(userId, (applied.get(userId) ?? 0) + 1)
    } catch (cause) {
      fail(`POST /purchases: ${cause}`)
    }
  }

  const read = async (index: number, due: number) => {
    const userId = userAt((index * 7_919) % workload.users)
    const least = applied.get(userId) ?? 0
    try {
      const { status, text } = await connections.exchange(getRequest(`/users/${userId}/total`, token))
      readTimes.push(performance.now() - due)
      const total = totalIn(text)
      if (status !== 200 || total === undefined) return fail(`the total of ${userId} answered ${status}: ${text}`)
      if (total.count < least) fail(`${userId} has ${total.count} purchases of ${least} acknowledged before`)
    } catch (cause) {
      fail(`the total of ${userId}: ${cause}`)
    }
  }

  tell({ kind: "prepared" })
  await new Promise((resolve) => process.once("message", resolve))
  const answered = () => tell({ kind: "progress", answered: postTimes.length + readTimes.length })
  const progress = setInterval(answered, progressEveryMilliseconds)
  const began = performance.now()
  await Promise.all([
    posts === undefined ? undefined : paced(posts.pace, to - from, post),
    reads === undefined ? undefined : paced(reads.pace, reads.count, read)
  ])
  const milliseconds = performance.now() - began
  clearInterval(progress)
  const resent = connections.resent - resentBefore
  return { milliseconds, posts: postTimes, reads: readTimes, resent, failures, failuresCount }
}

const serve = async (): Promise<void> => {
  for (;;) {
    const order = await new Promise<LoadOrder>((resolve) => process.once("message", resolve))
    const result = await run(order)
    tell({ kind: "done", ...result })
  }
}

// The benchmark ends this process by a signal. A broken channel means that the benchmark is gone.
process.once("disconnect", () => process.exit(1))
await serve()
