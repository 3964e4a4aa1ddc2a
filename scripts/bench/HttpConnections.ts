import { connect, type Socket } from "node:net"

export interface Answer {
  readonly status: number
  readonly text: string
}

/** The longest time that an answer may take before the request counts as failed. */
const answerWaitMilliseconds = 20_000
const sweepEveryMilliseconds = 1_000
const headEnd = "\r\n\r\n"

/** The whole text of a request. */
type RequestText = string | Uint8Array

interface Exchange {
  readonly request: RequestText
  readonly deadline: number
  readonly resolve: (answer: Answer) => void
  readonly reject: (cause: Error) => void
}

interface Connection {
  readonly socket: Socket
  received: Buffer | undefined
  exchange: Exchange | undefined
  /**
   * Whether the connection has had an answer before. The server may close a used connection while it is idle, just when
   * a request is sent.
   */
  isUsed: boolean
}

const statusOf = (head: string): number => Number(head.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length))

/** Returns the answer at the beginning of some bytes; `undefined` while the answer is incomplete. */
const answerIn = (received: Buffer): Answer | undefined => {
  const end = received.indexOf(headEnd)
  if (end < 0) return undefined
  const head = received.toString("latin1", 0, end)
  const length = /\r\ncontent-length: *([0-9]+)/i.exec(head)
  if (length === null) throw new Error(`an answer without content-length: ${head}`)
  const start = end + headEnd.length
  const whole = start + Number(length[1])
  return received.length < whole ? undefined : { status: statusOf(head), text: received.toString("utf8", start, whole) }
}

/**
 * Sends requests over kept HTTP/1.1 connections with one request at a time on each, as browsers and load balancers do.
 * The process of the load shares the cores with the edge, and node's own HTTP clients cost several times as much as the
 * edge. This HTTP client can read only answers of an edge, and refuses other answers.
 */
export class HttpConnections {
  private readonly host: string
  private readonly port: number
  private readonly free: Array<Connection> = []
  private readonly open = new Set<Connection>()
  private readonly waiting: Array<Exchange> = []
  private readonly sweep: NodeJS.Timeout
  private readonly connectionsMax: number
  /**
   * The number of requests that were sent again, because the server closed an idle connection just when a request was
   * sent.
   */
  resent = 0

  constructor(url: string, connectionsMax: number) {
    const { hostname, port } = new URL(url)
    this.host = hostname
    this.port = Number(port)
    this.connectionsMax = connectionsMax
    this.sweep = setInterval(() => this.endLate(), sweepEveryMilliseconds)
  }

  /** Sends one request on the next free connection. */
  exchange(request: RequestText): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.begin({ request, deadline: performance.now() + answerWaitMilliseconds, resolve, reject })
    })
  }

  close(): void {
    clearInterval(this.sweep)
    for (const { socket } of this.open) socket.destroy()
  }

  private begin(exchange: Exchange): void {
    const connection = this.free.pop() ?? (this.open.size < this.connectionsMax ? this.opened() : undefined)
    if (connection === undefined) return void this.waiting.push(exchange)
    connection.exchange = exchange
    connection.socket.write(exchange.request)
  }

  private opened(): Connection {
    const socket = connect({ host: this.host, port: this.port, noDelay: true })
    const connection: Connection = { socket, received: undefined, exchange: undefined, isUsed: false }
    this.open.add(connection)
    socket.on("data", (chunk: Buffer) => this.receive(connection, chunk))
    socket.on("error", () => undefined)
    socket.once("close", () => this.closed(connection))
    return connection
  }

  private receive(connection: Connection, chunk: Buffer): void {
    const { received, exchange } = connection
    connection.received = received === undefined ? chunk : Buffer.concat([received, chunk])
    if (exchange === undefined) return
    try {
      const answer = answerIn(connection.received)
      if (answer === undefined) return
      connection.received = undefined
      connection.exchange = undefined
      connection.isUsed = true
      this.free.push(connection)
      exchange.resolve(answer)
      this.next()
    } catch (cause) {
      connection.exchange = undefined
      connection.socket.destroy()
      exchange.reject(cause as Error)
    }
  }

  private closed(connection: Connection): void {
    this.open.delete(connection)
    const index = this.free.indexOf(connection)
    if (index >= 0) this.free.splice(index, 1)
    const { exchange, received, isUsed } = connection
    if (exchange !== undefined) {
      if (isUsed && received === undefined && performance.now() < exchange.deadline) {
        this.resent += 1
        this.begin(exchange)
      } else exchange.reject(new Error("the connection broke, or no answer came in time"))
    }
    this.next()
  }

  private next(): void {
    const exchange = this.waiting.shift()
    if (exchange !== undefined) this.begin(exchange)
  }

  private endLate(): void {
    const now = performance.now()
    for (const { exchange, socket } of this.open)
      if (exchange !== undefined && exchange.deadline < now) socket.destroy()
  }
}
