import { once } from "node:events"
import { connect, createServer, type Server, type Socket } from "node:net"

/** A direction of a connection: `out` is from the client of the proxy to the server. */
export type Direction = "out" | "in"

/**
 * A proxy forwards connections between a client and a server, and can be cut in each direction. Bytes that are sent
 * during a cut arrive when the cut ends, because TCP would send these bytes again. If the sender closes a connection
 * during a cut, the end of the connection arrives when the cut ends, after the bytes that were sent before.
 */
export class Proxy {
  readonly port: number
  private readonly server: Server
  private readonly target: number
  private readonly sockets = new Map<Socket, Direction>()
  private readonly cuts = new Set<Direction>()
  /** The functions that continue the connections when the cuts end. */
  private readonly waiting = new Set<() => void>()

  private constructor(server: Server, port: number, target: number) {
    this.server = server
    this.port = port
    this.target = target
  }

  /**
   * Makes a proxy that listens on a free port of the loopback interface, and connects its clients to the target port.
   */
  static async to(target: number): Promise<Proxy> {
    const server = createServer()
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const address = server.address()
    if (typeof address !== "object" || address === null) throw new Error("no port")
    const proxy = new Proxy(server, address.port, target)
    server.on("connection", (client) => proxy.join(client))
    return proxy
  }

  cut(directions: ReadonlyArray<Direction>): void {
    for (const direction of directions) this.cuts.add(direction)
    for (const [socket, direction] of this.sockets) if (this.cuts.has(direction)) socket.pause()
  }

  heal(): void {
    this.cuts.clear()
    for (const socket of this.sockets.keys()) socket.resume()
    for (const go of this.waiting) go()
    this.waiting.clear()
  }

  async close(): Promise<void> {
    const closed = once(this.server, "close")
    this.server.close()
    for (const socket of this.sockets.keys()) socket.destroy()
    await closed
  }

  private join(client: Socket): void {
    const broker = connect(this.target, "127.0.0.1")
    this.lead(client, broker, "out")
    this.lead(broker, client, "in")
  }

  private lead(from: Socket, to: Socket, direction: Direction): void {
    from.setNoDelay(true)
    this.sockets.set(from, direction)
    if (this.cuts.has(direction)) from.pause()
    from.on("data", (chunk: Buffer) => {
      if (to.destroyed || to.write(chunk)) return
      from.pause()
      to.once("drain", () => this.whenOpen(direction, () => from.resume()))
    })
    // The reason of an error is ignored, because the `close` event follows and ends the connection.
    from.on("error", () => undefined)
    from.on("close", () => {
      this.sockets.delete(from)
      this.whenOpen(direction, () => to.destroySoon())
    })
  }

  private whenOpen(direction: Direction, go: () => void): void {
    if (this.cuts.has(direction)) this.waiting.add(go)
    else go()
  }
}
