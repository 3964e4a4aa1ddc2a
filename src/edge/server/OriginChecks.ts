import type { IncomingMessage } from "node:http"
import { hostNameIn, hostNameOf, isLoopback, isWildcard } from "../contract/HostName.ts"
import { type Problem, problem } from "../contract/Problem.ts"
import { unreadable } from "./ServerAnswer.ts"

/** The names under which callers may reach the edge, and the pages that may send requests to the edge. */
export interface OriginSettings {
  /**
   * Allowed host names, without ports. The loopback names and the host at which the server listens need not be listed.
   */
  readonly allowedHosts?: ReadonlyArray<string>
  /** Allowed origins, like `https://shop.example`. The origin of the edge's own pages need not be listed. */
  readonly allowedOrigins?: ReadonlyArray<string>
}

const loopbackNames = ["localhost", "127.0.0.1", "[::1]"]
/** The most characters of a wrong value that a problem shows. */
const shownMax = 100

const isNamed = (header: string, name: string): boolean =>
  header.length === name.length && header.toLowerCase() === name

/** Returns the values of a header. In `rawHeaders`, names and values of headers stand in turns. */
const valuesOf = (rawHeaders: ReadonlyArray<string>, name: string): ReadonlyArray<string> => {
  const values: Array<string> = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (isNamed(rawHeaders[at] ?? "", name)) values.push(rawHeaders[at + 1] ?? "")
  }
  return values
}

/**
 * Checks from which pages a request may come. An attacker can make the name of a page resolve to this machine. Requests
 * of the attacker's page have the name of the page as `Host`. Requests of a page of another site have the `Origin` of
 * that site, except for plain reads.
 */
export class OriginChecks {
  private readonly hosts: ReadonlySet<string>
  private readonly origins: ReadonlySet<string>

  /** `host` is the host at which the server listens. A wildcard like `0.0.0.0` allows no name. */
  constructor(host: string, { allowedHosts = [], allowedOrigins = [] }: OriginSettings) {
    const own = isWildcard(host) ? [] : [host]
    this.hosts = new Set([...loopbackNames, ...own, ...allowedHosts].map(hostNameOf))
    this.origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()))
  }

  /** Returns the problem of a request's `Host` or `Origin`, or `undefined` if the request is allowed. */
  problemOf({ rawHeaders, httpVersion }: Pick<IncomingMessage, "rawHeaders" | "httpVersion">): Problem | undefined {
    const hosts = valuesOf(rawHeaders, "host")
    const [host] = hosts
    if (hosts.length > 1) return problem("malformed-request", `The request has ${hosts.length} Host headers. Send one.`)
    // HTTP/1.0 may leave out the Host header. No browser speaks HTTP/1.0.
    if (host === undefined && httpVersion !== "1.0" && httpVersion !== "0.9") {
      return problem("malformed-request", "The request has no Host header, which HTTP/1.1 asks for. Send one.")
    }
    return (host === undefined ? undefined : this.hostProblem(host)) ?? this.originProblem(rawHeaders, host)
  }

  private hostProblem(host: string): Problem | undefined {
    const name = hostNameIn(host)
    if (name === undefined) return unreadable
    if (this.hosts.has(name) || isLoopback(name)) return undefined
    return problem(
      "wrong-host",
      `The Host ${host.slice(0, shownMax)} is not a name of this service. Ask for another one, or add it to ALLOWED_HOSTS.`
    )
  }

  private originProblem(rawHeaders: ReadonlyArray<string>, host: string | undefined): Problem | undefined {
    const foreign = valuesOf(rawHeaders, "origin").find((origin) => !this.isAllowed(origin.toLowerCase(), host))
    if (foreign === undefined) return undefined
    return problem(
      "origin-refused",
      `Pages of ${foreign.slice(0, shownMax)} may not ask this service. Add the origin to ALLOWED_ORIGINS if they shall.`
    )
  }

  /**
   * Returns whether pages of an origin may send requests to the edge. The scheme of the edge's own origin is not
   * compared, because a proxy that ends TLS keeps the host, and not the scheme.
   */
  private isAllowed(origin: string, host: string | undefined): boolean {
    const isOwn = host !== undefined && origin.slice(origin.indexOf("://") + 3) === host.toLowerCase()
    return (isOwn && /^https?:/.test(origin)) || this.origins.has(origin)
  }
}
