import ipaddr from "ipaddr.js"
import type { Context as HttpContext } from "hono"
import { connectionOf } from "../contract/Connection.ts"

/** The length of the prefix that names a network of IPv6. One machine may use every address of its IPv6 network. */
const networkBits = 64

/**
 * Returns an IPv4 address itself, or the network of an IPv6 address. Returns a text that is no IP address unchanged.
 */
export const networkOf = (address: string): string => {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  return parsed.kind() === "ipv4"
    ? parsed.toString()
    : ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/${networkBits}`).toString()
}

/** Returns the network of a request's caller; `undefined` for a request without a connection. */
export const callerNetwork = (http: HttpContext): string | undefined => {
  const address = connectionOf(http)?.remoteAddress
  return address === undefined ? undefined : networkOf(address)
}
