import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import {
  addressesOf,
  isPublicAddress,
  NameResolver,
  openTargetRules,
  TargetRules,
  urlProblem
} from "../../src/webhook/Target.ts"

const strict = { isOpen: false, mayConnect: isPublicAddress }
const notPublic = /which is not an address of the public internet$/

describe("The URL of a webhook", () => {
  it("an https URL with a host name or a public address, on the port 443 or 8443, is accepted", () => {
    const urls = [
      "https://example.org",
      "https://example.org:443/alerts?x=1",
      "https://example.org:8443/",
      "https://8.8.8.8/",
      "https://[2001:4860:4860::8888]/"
    ]
    expect(urls.map((url) => urlProblem(url, strict))).toEqual(Array.from({ length: urls.length }))
  })

  it("a URL of another form is refused with its reason", () => {
    expect(urlProblem("alerts", strict)).toBe("is not a URL like https://example.org/alerts")
    expect(urlProblem("http://example.org/", strict)).toBe("begins with http:, and must begin with https:")
    expect(urlProblem("ftp://example.org/", openTargetRules)).toBe("begins with ftp:, and must begin with https:")
    expect(urlProblem("https://ann:pw@example.org/", strict)).toMatch(/has a user name or a password/)
    expect(urlProblem("https://example.org:22/", strict)).toBe("has the port 22, and must have the port 443 or 8443")
    expect(urlProblem("https://example.org/#x", strict)).toMatch(/fragment/)
    expect(urlProblem(`https://example.org/${"x".repeat(2_000)}`, strict)).toMatch(/at most 2000/)
  })

  it("a URL with an address that is not public is refused, however the address is written", () => {
    const hosts = [
      "127.1",
      "0x7f000001",
      "2130706433",
      "0177.0.0.1",
      "169.254.169.254",
      "[::ffff:10.0.0.1]",
      "[::]",
      "0"
    ]
    for (const host of [...hosts, "localhost", "a.localhost", "LOCALHOST.", "①②⑦.⓪.⓪.①"]) {
      expect(urlProblem(`https://${host}/`, strict), host).toMatch(notPublic)
    }
  })

  it("the settings for tests allow http, any port and the machine itself, and still refuse inner networks", () => {
    expect(urlProblem("http://127.0.0.1:3000/", openTargetRules)).toBeUndefined()
    expect(urlProblem("http://169.254.169.254/", openTargetRules)).toMatch(notPublic)
    expect(urlProblem("https://[::ffff:10.0.0.1]/", openTargetRules)).toMatch(notPublic)
  })
})

describe("The check of an address", () => {
  it("addresses of the public internet are allowed", () => {
    const addresses = ["8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111"]
    expect(addresses.filter((address) => !isPublicAddress(address))).toEqual([])
  })

  it("addresses of each range with a special purpose are refused", () => {
    const v4 = [
      "10.0.0.1",
      "172.16.0.1",
      "192.168.1.1",
      "127.0.0.1",
      "169.254.169.254",
      "100.64.0.1",
      "0.0.0.0",
      "0.1.2.3"
    ]
    const special = [
      "224.0.0.1",
      "239.255.255.255",
      "240.0.0.1",
      "255.255.255.255",
      "192.0.0.1",
      "192.0.2.1",
      "198.18.0.1"
    ]
    const mapped = [
      "::ffff:10.0.0.1",
      "::ffff:8.8.8.8",
      "::10.0.0.1",
      "64:ff9b::a00:1",
      "64:ff9b:1::a00:1",
      "2002:a00:1::"
    ]
    const v6 = [
      "::1",
      "::",
      "fe80::1",
      "fe80::1%eth0",
      "fec0::1",
      "fc00::1",
      "fd00::1",
      "ff02::1",
      "2001:db8::1",
      "2001::1"
    ]
    const all = [...v4, ...special, ...mapped, ...v6, "100::1", "3fff::1", "5f00::1", "", "example.org"]
    expect(all.filter(isPublicAddress)).toEqual([])
  })
})

describe("The addresses of a delivery", () => {
  const addressesFor = (url: string, found: ReadonlyArray<string>) =>
    addressesOf(new URL(url)).pipe(
      Effect.provideService(NameResolver, () => Effect.succeed(found)),
      Effect.provideService(TargetRules, strict),
      Effect.catch((failure) => Effect.succeed(failure._tag)),
      Effect.runSync
    )

  it("all addresses of a name are returned if all of them are public", () => {
    expect(addressesFor("https://example.org/", ["8.8.8.8", "2606:4700::1111"])).toEqual(["8.8.8.8", "2606:4700::1111"])
  })

  it("a host name is refused if one of its addresses is not public", () => {
    expect(addressesFor("https://example.org/", ["8.8.8.8", "127.0.0.1"])).toBe("AddressRefused")
    expect(addressesFor("https://example.org/", ["::ffff:10.0.0.1"])).toBe("AddressRefused")
    expect(addressesFor("https://example.org/", [])).toBe("AddressRefused")
  })

  it("a host that is an IP address is not resolved", () => {
    expect(addressesFor("https://8.8.4.4/", ["127.0.0.1"])).toEqual(["8.8.4.4"])
    expect(addressesFor("https://[::1]/", ["8.8.8.8"])).toBe("AddressRefused")
  })
})
