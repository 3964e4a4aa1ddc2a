import type { Socket } from "node:net"
import { NodeTransport } from "nats/lib/src/node_transport.js"

/**
 * Closes the socket of a transport of the nats client that has not become connected in time. A socket that the
 * transport opens later is closed at once.
 */
const abandon = (transport: NodeTransport): void => {
  let { socket } = transport as { readonly socket?: Socket }
  socket?.destroy()
  // The client may close a transport twice.
  Object.defineProperty(transport, "socket", {
    configurable: true,
    get: () => socket,
    set: (late?: Socket) => {
      socket = late
      late?.destroy()
    }
  })
}

let isClosing = false

/**
 * Makes the nats client close the sockets of attempts to connect that took too long. Without this change, the client
 * leaves such a socket open, for example to a frozen broker. When the broker wakes and closes the socket, the client
 * drops its present connection without closing it, and reads two connections as if they were one. A second call changes
 * nothing.
 */
export const closeAbandonedDials = (): void => {
  if (isClosing) return
  isClosing = true
  const { close } = NodeTransport.prototype
  NodeTransport.prototype.close = function (this: NodeTransport, error?: Error) {
    if (!this.connected) abandon(this)
    return close.call(this, error)
  }
}
