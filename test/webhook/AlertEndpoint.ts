import { once } from "node:events"
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** A delivery, as the endpoint received it. */
export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

type Answer = (response: ServerResponse, received: Received) => void

/** Makes an answer with a status, headers and a text. */
export const answer =
  (status: number, headers: Readonly<Record<string, string>> = {}, text = ""): Answer =>
  (response) => {
    response.writeHead(status, headers).end(text)
  }

/** Makes the endpoint send no answer. */
export const silence: Answer = () => undefined

/**
 * An HTTP server that receives deliveries. The server counts its connections, keeps the deliveries, and answers as a
 * test says.
 */
export class AlertEndpoint {
  private readonly server = createServer((request, response) => void this.take(request, response))
  readonly received: Array<Received> = []
  connections = 0
  private readonly answers = { next: answer(204) }

  static async start(address = "127.0.0.1", port = 0): Promise<AlertEndpoint> {
    const endpoint = new AlertEndpoint()
    endpoint.server.on("connection", () => void (endpoint.connections += 1))
    endpoint.server.listen(port, address)
    await once(endpoint.server, "listening")
    return endpoint
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/alerts`
  }

  get ids(): ReadonlyArray<string> {
    return this.received.map(({ headers }) => String(headers["webhook-id"]))
  }

  /** Sets the answer to the next deliveries. */
  answerWith(next: Answer): void {
    this.answers.next = next
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, "close")
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ""
    for await (const chunk of request) body += String(chunk)
    const received = { headers: request.headers, body }
    this.received.push(received)
    this.answers.next(response, received)
  }
}
