/** The addresses and the credentials in the setting `NATS_URL`. */
export interface BrokerAddress {
  /** The URLs of the brokers without names and passwords, so that the URLs may be logged. */
  readonly servers: ReadonlyArray<string>
  /** Whether at least one URL is `tls://`. If one URL is `tls://`, the process connects to no broker without TLS. */
  readonly isEncrypted: boolean
  readonly credentials: { readonly user: string; readonly pass: string } | { readonly token: string } | {}
}

const defaultPort = "4222"
const encryptedProtocol = "tls:"
const protocols = ["nats:", encryptedProtocol]

const urlsOf = (urls: string): ReadonlyArray<string> =>
  urls.split(",").map((url) => (url.includes("://") ? url.trim() : `nats://${url.trim()}`))

const isDecodable = (text: string): boolean => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/**
 * Returns whether a text is a list of URLs with the protocols `nats:` or `tls:`. The client library would ignore
 * another protocol, and connect without TLS.
 */
export const isBrokerAddress = (urls: string): boolean =>
  urlsOf(urls).every((text) => {
    if (!URL.canParse(text)) return false
    const { protocol, hostname, username, password } = new URL(text)
    return protocols.includes(protocol) && hostname !== "" && isDecodable(username) && isDecodable(password)
  })

/**
 * Reads a list of broker URLs, separated by commas. The client library takes no credentials in a URL. The process
 * therefore uses the credentials of the first URL with credentials for all URLs. All brokers of a cluster have the same
 * users.
 */
export const readBrokerAddress = (urls: string): BrokerAddress => {
  const parsed = urlsOf(urls).map((url) => new URL(url))
  const servers = parsed.map(({ protocol, hostname, port }) => `${protocol}//${hostname}:${port || defaultPort}`)
  const isEncrypted = parsed.some(({ protocol }) => protocol === encryptedProtocol)
  const known = parsed.find(({ username }) => username !== "")
  const name = decodeURIComponent(known?.username ?? "")
  const password = decodeURIComponent(known?.password ?? "")
  if (name === "") return { servers, isEncrypted, credentials: {} }
  return { servers, isEncrypted, credentials: password === "" ? { token: name } : { user: name, pass: password } }
}

/**
 * Returns a text without the parts that may be a name, a password or a token. The text may be a malformed list of URLs.
 */
export const withoutSecrets = (urls: string): string =>
  urls
    .replace(/^.*@/s, "…@")
    // If the host is missing in a URL, the password stands where the port should stand.
    .replaceAll(/:(?!\/\/|\d{1,5}(?:[,/\s]|$))[^,\s]*/g, ":…")
