import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as pause } from "node:timers/promises"
import type { ReceivedAttempt } from "../alerts/DeliveryProblems.ts"
import { seeded } from "../system/Random.ts"

/**
 * The ways in which the receiver handles the first attempt to deliver an alert, with the share of each way. All other
 * first attempts are answered with the status 204 at once.
 */
const shares = [
  ["late", 0.1],
  ["failing", 0.02],
  ["busy", 0.01],
  ["silent", 0.005],
  ["closing", 0.015],
  ["refusing", 0.005],
  ["gone", 0.002]
] as const
type Manner = (typeof shares)[number][0] | "good"

/** The longest time until a late answer, in milliseconds. */
const lateMost = 400
/** The longest wait that an answer asks for with the header `Retry-After`, in seconds. */
const retryAfterMost = 8
/**
 * The most attempts that the receiver refuses. The broker keeps 1,000 dead letters of a webhook, and the check needs
 * all dead letters.
 */
const refusalsMax = 500

const statuses: Readonly<Partial<Record<Manner, number>>> = { failing: 500, busy: 429, refusing: 400, gone: 410 }

/**
 * An HTTP server that receives deliveries, and records each attempt. Until {@link recover}, the server fails some of
 * the first attempts to deliver an alert, in several ways. The server answers a repeated attempt with the status 204,
 * so that the waits between the attempts stay short.
 */
export class AlertReceiver {
  readonly attempts: Array<ReceivedAttempt> = []
  private readonly server = createServer((request, response) => void this.take(request, response))
  private readonly random: () => number
  private readonly known = new Set<string>()
  private readonly silenced = new Set<ServerResponse>()
  private places = 0
  private refusals = 0
  private hasRecovered = false

  private constructor(seed: number) {
    this.random = seeded(seed ^ 0xa9)
  }

  static async start(seed: number): Promise<AlertReceiver> {
    const receiver = new AlertReceiver(seed)
    receiver.server.listen(0, "127.0.0.1")
    await once(receiver.server, "listening")
    return receiver
  }

  /** Returns the URL for the deliveries to a user. */
  urlOf(owner: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/${encodeURIComponent(owner)}`
  }

  /** Lets all later attempts succeed, and ends the attempts that wait for an answer. */
  recover(): void {
    this.hasRecovered = true
    for (const response of this.silenced) response.destroy()
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, "close")
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await this.bodyOf(request)
    if (body === undefined) return
    const attempt: ReceivedAttempt = {
      owner: decodeURIComponent((request.url ?? "").slice(1)),
      id: String(request.headers["webhook-id"]),
      body,
      arrivedAt: this.nextPlace(),
      answer: undefined
    }
    this.attempts.push(attempt)
    const manner = this.mannerFor(attempt)
    if (manner === "closing") return void response.destroy()
    if (manner === "silent") return this.keepSilent(response)
    if (manner === "late") await pause(this.random() * lateMost)
    // A deliverer that died meanwhile gets no answer.
    if (response.destroyed || request.socket.destroyed) return
    const status = statuses[manner] ?? 204
    const seconds = Math.ceil(this.random() * retryAfterMost)
    attempt.answer = { status, at: this.nextPlace() }
    response.writeHead(status, manner === "busy" ? { "retry-after": String(seconds) } : {}).end()
  }

  /** Returns the body of a request; `undefined` if the connection broke before the end of the body. */
  private async bodyOf(request: IncomingMessage): Promise<string | undefined> {
    const pieces: Array<Buffer> = []
    try {
      for await (const piece of request) pieces.push(piece)
    } catch {
      return undefined
    }
    return Buffer.concat(pieces).toString()
  }

  private mannerFor({ owner, id }: ReceivedAttempt): Manner {
    const isFirst = !this.known.has(`${owner} ${id}`)
    this.known.add(`${owner} ${id}`)
    const choice = this.random()
    if (!isFirst || this.hasRecovered) return "good"
    let until = 0
    const manner = shares.find(([, share]) => choice < (until += share))?.[0] ?? "good"
    if (manner !== "refusing") return manner
    this.refusals += 1
    return this.refusals > refusalsMax ? "good" : manner
  }

  private keepSilent(response: ServerResponse): void {
    this.silenced.add(response)
    response.once("close", () => this.silenced.delete(response))
  }

  private nextPlace(): number {
    this.places += 1
    return this.places
  }
}
