import { isIP } from "node:net"

/**
 * Captures the name or address before the port in a `Host` header. In a `Host` header, an IPv6 address stands in
 * brackets.
 */
const hostPattern = /^(\[[\da-f:.]+\]|[^\s:/?#@[\]\\]*)(?::\d*)?$/i

/**
 * Returns the name in a `Host` header without its port, in small letters, or `undefined` if the header has no such
 * name.
 */
export const hostNameIn = (header: string): string | undefined => hostPattern.exec(header)?.[1]?.toLowerCase()

/** Returns the spelling of a host name in URLs: small letters, and an IPv6 address in brackets. */
export const hostNameOf = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host).toLowerCase()

/** Returns whether a host name or address is a loopback name or address, which no other machine can reach. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."))

/** Returns whether a process that listens at this host listens at every address of its machine. */
export const isWildcard = (host: string): boolean => ["", "0", "0.0.0.0", "::"].includes(host)
