import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Effect, Exit, type Layer, Logger, Scope } from "effect"
import { sample } from "fast-check"
import type { Hono } from "hono"
import { Tokens } from "../../edge/access/Tokens.ts"
import { newToken } from "../../edge/access/TokenChanges.ts"
import { makeApp } from "../../edge/server/App.ts"
import { serveHttp } from "../../edge/server/HttpServer.ts"
import { routes } from "../../edge/server/Routes.ts"
import { scopes } from "../../protocol/Scope.ts"
import { encodeTokenRecord } from "../../protocol/TokenRecord.ts"
import { describedApp } from "../system/Description.ts"
import { TestBroker } from "../system/TestBroker.ts"
import { startEdge, startWorker, testSettings } from "../system/TestLedger.ts"
import { type StrangeRequest, strangeRequest } from "./StrangeRequest.ts"

/** The number of requests that are in flight at once. */
const atOnce = 16
/** The number of requests that are generated at once. */
const chunkMax = 500
/** The longest wait for an answer, in milliseconds. A request waits at most a second until its purchase is applied. */
const answerWithinMilliseconds = 30_000
/** The most bytes of an answer that are read. The answer of a feed has no end, so only its first bytes are read. */
const readBytesMax = 1024 ** 2
/** The growth of the heap that does not count as a leak: caches that fill up, and some bytes for each request. */
export const heapGrowthMax = { bytes: 32 * 1024 ** 2, bytesOfCase: 200 }
/** The status with which an edge answers if the owner of the account does not answer in time. */
const lateStatus = 504
/** The names of routes that wait for a judge. A fuzz run has no judge. */
const withoutJudge = ["testWebhook", "sendDeadLetterAgain"]

export interface FuzzOptions {
  readonly cases: number
  readonly seed: number
  /** Changes the application, for a test that plants a mistake. */
  readonly around?: (app: Hono) => Hono
  readonly report?: (line: string) => void
}

export interface FuzzOutcome {
  readonly cases: number
  /** The number of answers with each status. A request that Node cannot make counts as `unsendable`. */
  readonly statuses: Readonly<Record<string, number>>
  /** The requests with a wrong answer, and the errors of the log, as texts. */
  readonly mistakes: ReadonlyArray<string>
  readonly heapGrowthBytes: number
}

/** Returns the bytes of live objects after a full collection. */
const liveHeap = (): number => {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("gc") as () => void
  for (let time = 0; time < 3; time += 1) collect()
  return process.memoryUsage().heapUsed
}

/** Reads the beginning of an answer, and cancels the rest of the answer. */
const readSome = async ({ body, headers }: Response): Promise<void> => {
  if (body === null) return
  const isFeed = headers.get("content-type") === "text/event-stream"
  const reader = body.getReader()
  for (let bytes = 0; bytes < readBytesMax;) {
    const { done, value } = await reader.read()
    if (done) return
    bytes += (value as Uint8Array).length
    if (isFeed) break
  }
  await reader.cancel()
}

/**
 * A feed writes to a connection, so a request for a feed needs a connection. All other requests reach the application
 * without a connection.
 */
const isForFeed = ({ method, path }: StrangeRequest): boolean => method === "GET" && /\/feed(?:$|\?)/.test(path)

const requestOf = ({ method, path, headers, body }: StrangeRequest, origin: string): Request | undefined => {
  try {
    const given = body === undefined ? {} : { body: body as NonNullable<RequestInit["body"]> }
    return new Request(`${origin}${path}`, { method, headers: headers.map((pair) => [...pair]), ...given })
  } catch {
    return undefined
  }
}

/**
 * Starts a broker, an edge and a worker, and calls `noted` with each error in the log of the edge or of the worker.
 * Returns the application with its address, a token for callers, and a function that stops everything.
 */
const startNoted = async (noted: (text: string) => void, around: (app: Hono) => Hono) => {
  const broker = await TestBroker.start()
  const settings = testSettings({
    NATS_URL: broker.url,
    PARTITIONS: "4",
    ACTORS_RESIDENT_MAX: "200",
    PURCHASE_IDS_RESIDENT_MAX: "2000"
  })
  const logger = Logger.layer([
    Logger.make(({ logLevel, message }) => {
      if (logLevel === "Error" || logLevel === "Fatal") noted(`logged: ${JSON.stringify(message)}`)
    })
  ]) as Layer.Layer<never>
  const edge = await startEdge(settings, logger)
  const worker = await startWorker(settings, {}, logger)
  const issued = newToken({ name: "fuzz", scopes: Object.keys(scopes), users: "all", madeAt: 0, madeBy: "fuzz" })
  const tokens = new Tokens(Date.now)
  tokens.take({ id: issued.id, sequence: 1, text: encodeTokenRecord(issued.record) })
  const app = makeApp({
    runPromiseExit: Effect.runPromiseExitWith(edge.services),
    isDraining: () => false,
    access: {
      isReady: () => true,
      identify: (token) => tokens.identify(token),
      onEnd: () => () => undefined,
      audit: () => Promise.resolve(true)
    }
  })
  const described = describedApp(around(app))
  const scope = Effect.runSync(Scope.make())
  const port = await Effect.runPromise(Scope.provide(serveHttp(described, "127.0.0.1", 0), scope))
  const stop = async () => {
    edge.drain()
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await edge.stop()
    await worker.stop()
    await broker.stop()
  }
  return { app: described, origin: `http://127.0.0.1:${port}`, token: issued.token, stop }
}

/** Sends requests that strangers may send to an edge in this process, and notes wrong answers, errors and leaks. */
export const fuzz = async ({
  cases,
  seed,
  around = (app) => app,
  report = () => undefined
}: FuzzOptions): Promise<FuzzOutcome> => {
  const mistakes: Array<string> = []
  const wrong = (text: string): void => {
    mistakes.push(text)
    report(`WRONG: ${text}`)
  }
  const statuses: Record<string, number> = {}
  const { app, origin, token, stop } = await startNoted(wrong, around)
  const asked = strangeRequest(
    routes.filter(({ name }) => !withoutJudge.includes(name)),
    token
  )

  const send = async (strange: StrangeRequest, isAgain = false): Promise<void> => {
    const count = (status: string) => void (statuses[status] = (statuses[status] ?? 0) + 1)
    const request = requestOf(strange, origin)
    if (request === undefined) return count("unsendable")
    const late = new Promise<never>((_resolve, reject) => {
      setTimeout(() => reject(new Error("no answer in time")), answerWithinMilliseconds).unref()
    })
    try {
      const answer = await Promise.race([isForFeed(strange) ? fetch(request) : app.fetch(request), late])
      const said = answer.status >= 500 ? await answer.clone().text() : ""
      await Promise.race([readSome(answer), late])
      count(String(answer.status))
      // On a busy machine the owner of a partition may answer too late. In this case the same request is served at its
      // second attempt.
      if (answer.status === lateStatus && !isAgain) return await send(strange, true)
      if (answer.status >= 500) wrong(`request ${done}: ${answer.status} ${said}: ${JSON.stringify(strange)}`)
    } catch (failure) {
      wrong(`${String(failure)}: ${JSON.stringify(strange)}`)
    }
  }

  let done = 0
  const sendAll = async (until: number): Promise<void> => {
    while (done < until) {
      const chunk = sample(asked, { seed: seed + done, numRuns: Math.min(chunkMax, until - done) })
      const waiting = chunk.values()
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          for (const one of waiting) await send(one)
        })
      )
      done += chunk.length
      report(`${done} of ${cases} requests, ${mistakes.length} mistakes`)
    }
  }

  await sendAll(Math.ceil(cases / 4))
  const before = liveHeap()
  await sendAll(cases)
  const heapGrowthBytes = liveHeap() - before
  await stop()
  if (heapGrowthBytes > heapGrowthMax.bytes + cases * heapGrowthMax.bytesOfCase) {
    wrong(`the heap has grown by ${heapGrowthBytes} bytes`)
  }
  return { cases: done, statuses, mistakes, heapGrowthBytes }
}
