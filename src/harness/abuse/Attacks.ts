import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { gzipSync } from "node:zlib"

/** The edge that is attacked, and the token of the attacker. */
export interface Target {
  readonly port: number
  readonly token: string
}

/** An attack, which runs until the signal is aborted, and calls `count` with each status that the attacker gets. */
type Attack = (target: Target, signal: AbortSignal, count: (status: string) => void) => Promise<void>

const host = "127.0.0.1"

const requestText = (
  { port, token }: Target,
  method: string,
  path: string,
  headers: ReadonlyArray<string> = []
): string =>
  [`${method} ${path} HTTP/1.1`, `host: ${host}:${port}`, `authorization: Bearer ${token}`, ...headers, "", ""].join(
    "\r\n"
  )

/**
 * Opens connections and keeps the connections open until the signal is aborted. If the edge closes a connection, opens
 * a new connection a little later.
 */
const holding = async (
  target: Target,
  signal: AbortSignal,
  connections: number,
  begin: (socket: Socket, number: number) => void,
  count: (status: string) => void
): Promise<void> => {
  const one = async (number: number): Promise<void> => {
    while (!signal.aborted) {
      const socket = connect(target.port, host)
      const leave = () => socket.destroy()
      signal.addEventListener("abort", leave)
      socket.on("error", () => undefined)
      socket.on("connect", () => begin(socket, number))
      socket.on("data", (chunk: Buffer) => {
        const [, status] = /^HTTP\/1\.1 (\d{3})/.exec(chunk.toString("latin1")) ?? []
        if (status !== undefined) count(status)
      })
      if (!socket.closed) await new Promise<void>((resolve) => socket.once("close", () => resolve()))
      signal.removeEventListener("abort", leave)
      if (!signal.aborted) await pause(signal, 100)
    }
  }
  await Promise.all(Array.from({ length: connections }, (_, number) => one(number)))
}

const pause = async (signal: AbortSignal, milliseconds: number): Promise<void> => {
  const over = AbortSignal.any([signal, AbortSignal.timeout(milliseconds)])
  if (!over.aborted) await once(over, "abort")
}

/** Sends requests in lanes. Each lane sends its next request as soon as its previous request is answered. */
const repeating = async (
  { port, token }: Target,
  signal: AbortSignal,
  paths: ReadonlyArray<string>,
  { method = "GET", lanes }: { readonly method?: string; readonly lanes: number },
  count: (status: string) => void
): Promise<void> => {
  const lane = async (number: number): Promise<void> => {
    const path = paths[number % paths.length] ?? "/"
    while (!signal.aborted) {
      try {
        const init = { method, headers: { authorization: `Bearer ${token}` }, signal }
        const answer = await fetch(`http://${host}:${port}${path}`, init)
        await answer.arrayBuffer()
        count(String(answer.status))
      } catch {
        count("broken off")
      }
    }
  }
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)))
}

const linesHeaders = ["content-type: application/x-ndjson", "transfer-encoding: chunked"]

/** Sends 64 bodies of lines, one byte a second each, so that the edge has no room for another body of lines. */
const slowLines: Attack = (target, signal, count) =>
  holding(
    target,
    signal,
    64,
    (socket) => {
      socket.write(requestText(target, "POST", "/purchases", linesHeaders))
      const timer = setInterval(() => socket.write("1\r\n{\r\n"), 1_000)
      socket.once("close", () => clearInterval(timer))
    },
    count
  )

/** The paths of one user whose answers take an edge longest. */
export const dearPaths = ["/users/rich/purchases?limit=1000", "/users/rich/spending?by=hour&timeZone=UTC"]

/** Runs 450 lanes that read the largest pages of one user's history, and the user's spending by hour. */
const greedyReads: Attack = (target, signal, count) => repeating(target, signal, dearPaths, { lanes: 450 }, count)

/** Runs eight lanes of requests, each of which stores the most random purchases that a request may store. */
const hugeGenerate: Attack = (target, signal, count) =>
  repeating(target, signal, ["/generate/1000000/mallory"], { method: "POST", lanes: 8 }, count)

/** Opens 4,096 feeds, and reads none of these feeds. Half of the feeds begin at the first purchase. */
const manyFeeds: Attack = (target, signal, count) =>
  holding(
    target,
    signal,
    4_096,
    (socket, number) => {
      const headers = number % 2 === 0 ? [] : ["last-event-id: 0"]
      socket.write(requestText(target, "GET", "/feed", headers))
    },
    count
  )

/** Opens 4,000 connections without a request. Sends 32 small gzip bodies with many lines each, and reads no answer. */
const unreadAnswers: Attack = async (target, signal, count) => {
  const packed = gzipSync("{}\n".repeat(500_000))
  const headers = ["content-type: application/x-ndjson", "content-encoding: gzip", `content-length: ${packed.length}`]
  await Promise.all([
    holding(target, signal, 4_000, () => undefined, count),
    holding(
      target,
      signal,
      32,
      (socket) => {
        socket.write(requestText(target, "POST", "/purchases", headers))
        socket.write(packed)
        socket.pause()
      },
      count
    )
  ])
}

/**
 * The attacks by their names. The number in a name is the number of the attack in a list of attacks that once worked.
 */
export const attacks = {
  "5 slow bodies of lines": slowLines,
  "6 greedy reads": greedyReads,
  "7 huge generate": hugeGenerate,
  "8 many feeds": manyFeeds,
  "11 unread answers and idle connections": unreadAnswers
} as const satisfies Readonly<Record<string, Attack>>

export type AttackName = keyof typeof attacks
