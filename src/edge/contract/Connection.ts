import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import type { Context as HttpContext } from "hono"

/** Returns the connection of a request; `undefined` for a request without a connection, as in tests. */
export const connectionOf = (http: HttpContext): Socket | undefined => {
  const { incoming } = (http.env ?? {}) as { readonly incoming?: IncomingMessage }
  return incoming?.socket
}
