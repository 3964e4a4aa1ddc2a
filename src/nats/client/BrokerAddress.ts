/** The addresses of the broker, and the credentials, as `NATS_URL` has them. */
export interface BrokerAddress {
  /** The URLs without names and passwords, so that they may be logged. */
  readonly servers: ReadonlyArray<string>
  readonly credentials: { readonly user: string; readonly pass: string } | { readonly token: string } | {}
}

const defaultPort = "4222"

const urlsOf = (urls: string): ReadonlyArray<string> =>
  urls.split(",").map((url) => (url.includes("://") ? url.trim() : `nats://${url.trim()}`))

/** Returns whether a text is a list of URLs. */
export const isBrokerAddress = (urls: string): boolean =>
  urlsOf(urls).every((url) => URL.canParse(url) && new URL(url).hostname !== "")

/**
 * Reads a list of broker URLs with commas. The client library takes no credentials in a URL. So the credentials of the
 * first URL that has some are used for all. The brokers of a cluster know the same users.
 */
export const readBrokerAddress = (urls: string): BrokerAddress => {
  const parsed = urlsOf(urls).map((url) => new URL(url))
  const servers = parsed.map(({ protocol, hostname, port }) => `${protocol}//${hostname}:${port || defaultPort}`)
  const known = parsed.find(({ username }) => username !== "")
  const name = decodeURIComponent(known?.username ?? "")
  const password = decodeURIComponent(known?.password ?? "")
  if (name === "") return { servers, credentials: {} }
  return { servers, credentials: password === "" ? { token: name } : { user: name, pass: password } }
}
