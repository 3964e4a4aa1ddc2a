import { promises as dns } from "node:dns"
import { isIP } from "node:net"
import { Context, Duration, Effect, Schema } from "effect"
import ipaddr from "ipaddr.js"

/** The longest URL of a webhook, in characters. */
export const urlLengthMax = 2_000
/** The ports that the URL of a webhook may have. The empty text stands for the usual port of https. */
const ports: ReadonlyArray<string> = ["", "443", "8443"]
const resolveTimeout = Duration.seconds(5)
const resolveTries = 2

/** Returns whether an IP address belongs to the public internet, and to no range with a special purpose. */
export const isPublicAddress = (address: string): boolean =>
  // An IPv4 address inside of an IPv6 address is refused. The library gives such an address a range of its own, like
  // `ipv4Mapped` or `rfc6052`.
  ipaddr.isValid(address) && ipaddr.parse(address).range() === "unicast"

/** Returns whether an IP address is public, or is the machine itself. Only tests use `isPublicOrLoopback`. */
export const isPublicOrLoopback = (address: string): boolean =>
  isPublicAddress(address) || (ipaddr.isValid(address) && ipaddr.parse(address).range() === "loopback")

/**
 * Says which URLs and addresses a webhook may have. `TargetRules` is a reference with a default, so that tests can
 * deliver to servers of their own.
 */
export const TargetRules = Context.Reference<{
  /** Whether the URL of a webhook may begin with http, and may have any port. Only tests set `isOpen`. */
  readonly isOpen: boolean
  readonly mayConnect: (address: string) => boolean
}>("purchases/webhook/TargetRules", { defaultValue: () => ({ isOpen: false, mayConnect: isPublicAddress }) })

type Rules = (typeof TargetRules)["Service"]

/** The rules for the webhooks of tests: http, any port, and the machine itself are allowed. */
export const openTargetRules: Rules = { isOpen: true, mayConnect: isPublicOrLoopback }

/** Returns the IP address in a URL; `undefined` if the host of the URL is a name. */
const literalAddress = ({ hostname }: URL): string | undefined => {
  const bare = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname
  return isIP(bare) === 0 ? undefined : bare
}

const isOwnName = (name: string): boolean => /(^|\.)localhost\.?$/.test(name)

/**
 * Returns why a text cannot be the URL of a webhook, as the end of a sentence that begins with `url`. Returns
 * `undefined` if the text can be the URL.
 */
export const urlProblem = (text: string, { isOpen, mayConnect }: Rules): string | undefined => {
  if (text.length > urlLengthMax) return `has ${text.length} characters, and at most ${urlLengthMax} are allowed`
  if (!URL.canParse(text)) return "is not a URL like https://example.org/alerts"
  const url = new URL(text)
  if (url.protocol !== "https:" && !(isOpen && url.protocol === "http:")) {
    return `begins with ${url.protocol}, and must begin with https:`
  }
  if (url.username !== "" || url.password !== "") return "has a user name or a password, which is not allowed"
  if (url.hash !== "") return `has the fragment ${url.hash}, which is not allowed`
  if (!isOpen && !ports.includes(url.port)) return `has the port ${url.port}, and must have the port 443 or 8443`
  const address = literalAddress(url)
  const isRefused = address === undefined ? !isOpen && isOwnName(url.hostname) : !mayConnect(address)
  return isRefused ? `has the host ${url.hostname}, which is not an address of the public internet` : undefined
}

/**
 * Fails an attempt, because the host of the URL has no address now. A later attempt may find an address of the host.
 */
export class NameUnknown extends Schema.TaggedError<NameUnknown>()("NameUnknown", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

/** Fails an attempt, because the host of the URL has an address that a webhook must not have. */
export class AddressRefused extends Schema.TaggedError<AddressRefused>()("AddressRefused", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

const foundBy = async (resolver: dns.Resolver, name: string): Promise<ReadonlyArray<string>> => {
  const families = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  return families.flatMap((family) => (family.status === "fulfilled" ? family.value : []))
}

/**
 * Asks the name servers for all addresses of a host name. The resolver uses no thread of the process's pool, so a slow
 * name server cannot block other work.
 */
const resolvePublicName = (name: string): Effect.Effect<ReadonlyArray<string>, NameUnknown> => {
  const resolver = new dns.Resolver({ timeout: Duration.toMillis(resolveTimeout), tries: resolveTries })
  return Effect.promise(() => foundBy(resolver, name)).pipe(
    Effect.filterOrFail(
      (found) => found.length > 0,
      () => new NameUnknown({ reason: `The name ${name} has no address.` })
    ),
    Effect.onInterrupt(() => Effect.sync(() => resolver.cancel()))
  )
}

/**
 * Finds the addresses of a host name. `NameResolver` is a reference with a default, so that tests can replace the name
 * servers.
 */
export const NameResolver = Context.Reference<(name: string) => Effect.Effect<ReadonlyArray<string>, NameUnknown>>(
  "purchases/webhook/NameResolver",
  { defaultValue: () => resolvePublicName }
)

/**
 * Returns the addresses to which a delivery may connect. The host name is resolved once, and the delivery connects only
 * to one of the returned addresses. Fails with `AddressRefused` if even one of the addresses is not allowed.
 */
export const addressesOf = Effect.fnUntraced(function* (url: URL) {
  const { mayConnect } = yield* TargetRules
  const literal = literalAddress(url)
  const resolve = yield* NameResolver
  const addresses = literal === undefined ? yield* resolve(url.hostname) : [literal]
  const refused = addresses.find((address) => !mayConnect(address))
  if (refused === undefined && addresses.length > 0) return addresses
  const reason =
    refused === undefined
      ? `The host ${url.hostname} has no address.`
      : // The message leaves out the address, because the address could tell a caller about the inner network.
        `The host ${url.hostname} has an address that is not one of the public internet.`
  return yield* new AddressRefused({ reason })
})
