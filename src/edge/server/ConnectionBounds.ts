import type { Server } from "node:http"
import { Server as SecureServer } from "node:https"
import type { Socket } from "node:net"
import { networkOf } from "../limits/CallerNetwork.ts"

/** The most connections of a server. A connection above a bound is closed without an answer. */
export interface ConnectionSettings {
  /** The most connections of all callers together. */
  readonly connectionsMax: number
  /** The most connections of one address, or of one network of IPv6 addresses. */
  readonly connectionsOfAddressMax: number
}

/** The bounds by default, which leave file descriptors for the broker and for files under a usual limit of 20,000. */
export const connectionsDefault: ConnectionSettings = { connectionsMax: 16_384, connectionsOfAddressMax: 8_192 }

/** The bytes that a connection had sent when it was last looked at. */
interface Seen {
  sentBytes: number
  /** The number of looks since the connection last sent bytes, while bytes waited to be sent. */
  looks: number
}

/**
 * Bounds the connections of a server, and ends connections whose caller takes nothing of an answer. One timer looks at
 * all connections, because a timer for each answer would cost more than a short answer.
 */
export class ConnectionBounds {
  private readonly byNetwork = new Map<string, number>()
  private readonly watched = new Map<Socket, Seen>()
  private readonly settings: ConnectionSettings
  /** The number of looks without progress after which a connection ends. */
  private readonly looksMax: number

  constructor(settings: ConnectionSettings, looksMax: number) {
    this.settings = settings
    this.looksMax = looksMax
  }

  /** Counts a new connection, or closes the connection if its network has too many connections. */
  take(socket: Socket): void {
    const network = networkOf(socket.remoteAddress ?? "")
    const count = this.byNetwork.get(network) ?? 0
    if (count >= this.settings.connectionsOfAddressMax) return void socket.destroy()
    this.byNetwork.set(network, count + 1)
    socket.once("close", () => {
      const left = (this.byNetwork.get(network) ?? 0) - 1
      if (left > 0) this.byNetwork.set(network, left)
      else this.byNetwork.delete(network)
    })
  }

  /** Watches the bytes that a connection sends, until the connection closes. */
  watch(socket: Socket): void {
    this.watched.set(socket, { sentBytes: 0, looks: 0 })
    socket.once("close", () => this.watched.delete(socket))
  }

  /** Ends the connections whose caller has taken nothing for too long, while bytes wait for the caller. */
  look(): void {
    for (const [socket, seen] of this.watched) {
      const sentBytes = socket.bytesWritten - socket.writableLength
      const isStuck = socket.writableLength > 0 && sentBytes === seen.sentBytes
      seen.sentBytes = sentBytes
      seen.looks = isStuck ? seen.looks + 1 : 0
      if (seen.looks >= this.looksMax) socket.destroy()
    }
  }
}

/** Bounds the connections of a server from now on, until the server closes. */
export const boundConnections = (
  server: Server,
  settings: ConnectionSettings,
  waits: { readonly answer: number; readonly check: number }
): void => {
  const bounds = new ConnectionBounds(settings, Math.ceil(waits.answer / waits.check))
  server.maxConnections = settings.connectionsMax
  server.on("connection", (socket: Socket) => bounds.take(socket))
  // With TLS only the TLS socket knows which bytes wait. The TLS socket writes past the JavaScript part of the TCP
  // socket.
  server.on(server instanceof SecureServer ? "secureConnection" : "connection", (socket: Socket) =>
    bounds.watch(socket)
  )
  const timer = setInterval(() => bounds.look(), waits.check)
  server.once("close", () => clearInterval(timer))
}
