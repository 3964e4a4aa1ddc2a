import { Redacted } from "effect"
import { Webhook as Verifier } from "standardwebhooks"
import { describe, expect, it } from "vitest"
import type { Webhook } from "../../src/protocol/Webhook.ts"
import { newSecret, secretsAt, signedHeaders } from "../../src/webhook/Signature.ts"

const body = `{"type":"purchase.alerts","data":{"product":"Gerät ☂"}}`
const timestamp = Math.floor(Date.now() / 1_000)
const verifierOf = (secret: Redacted.Redacted<string>) => new Verifier(Redacted.value(secret))

describe("The signature of a delivery", () => {
  it("a new secret begins with whsec_ and has 32 bytes, and no two secrets are equal", () => {
    const secret = Redacted.value(newSecret())
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(Buffer.from(secret.slice("whsec_".length), "base64")).toHaveLength(32)
    expect(Redacted.value(newSecret())).not.toBe(secret)
  })

  it("the package standardwebhooks accepts a signature, and refuses it with another body, id or secret", () => {
    const secret = newSecret()
    const headers = signedHeaders([secret], { id: "17", timestamp, body })
    expect(verifierOf(secret).verify(body, headers)).toEqual(JSON.parse(body))
    expect(() => verifierOf(secret).verify(`${body} `, headers)).toThrow("No matching signature found")
    expect(() => verifierOf(secret).verify(body, { ...headers, "webhook-id": "18" })).toThrow("No matching signature")
    expect(() => verifierOf(newSecret()).verify(body, headers)).toThrow("No matching signature found")
  })

  it("the signature of a delivery agrees with the example of the Standard Webhooks specification", () => {
    const secret = Redacted.make("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    const signed = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: '{"test": 2432232314}' }
    expect(signedHeaders([secret], signed)["webhook-signature"]).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
  })

  it("after a rotation both secrets sign until the old secret ends, and then only the new secret signs", () => {
    const [newest, before] = [newSecret(), newSecret()]
    const until = 86_400_000
    const webhook: Webhook = {
      url: "https://example.org/",
      enabled: true,
      secret: newest,
      previous: [{ secret: before, until }],
      after: 0,
      begunAt: 1
    }
    const headersAt = (now: number) => signedHeaders(secretsAt(webhook, now), { id: "17", timestamp, body })
    for (const secret of [newest, before]) {
      expect(verifierOf(secret).verify(body, headersAt(until - 1))).toEqual(JSON.parse(body))
    }
    expect(verifierOf(newest).verify(body, headersAt(until))).toEqual(JSON.parse(body))
    expect(() => verifierOf(before).verify(body, headersAt(until))).toThrow("No matching signature found")
  })

  it("a secret that is printed or written as JSON does not show its text", () => {
    const secret = newSecret()
    expect(`${String(secret)} ${JSON.stringify({ secret })}`).toBe('<redacted> {"secret":"<redacted>"}')
  })
})
