import { request } from "node:https"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import type { IncomingMessage } from "node:http"
import { text } from "node:stream/consumers"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { needs } from "../../src/harness/system/Requirement.ts"
import { Certificates, opensslNeeded } from "../support/Certificates.ts"
import { nginxNeeded, startTlsNginx } from "../support/Nginx.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { purchaseText, useService } from "../support/TestService.ts"

describe("an edge behind the nginx of deploy/, which ends TLS", needs(nginxNeeded, opensslNeeded), () => {
  const service = useService()
  let made: Certificates
  let server: TestServer
  let proxy: Awaited<ReturnType<typeof startTlsNginx>>
  beforeAll(async () => {
    made = new Certificates()
    server = await serve(service.edge.app)
    proxy = await startTlsNginx(server.port, made.make("ledger"))
  })
  afterAll(async () => {
    await proxy?.stop()
    await server?.close()
    made?.remove()
  })

  it("a purchase over TLS is stored and applied, and the answer tells browsers to stay with TLS", async () => {
    const sent = request({
      host: "127.0.0.1",
      port: proxy.port,
      method: "POST",
      path: "/purchases",
      ca: readFileSync(made.authority),
      headers: { "content-type": "application/json", prefer: "wait=10" }
    })
    sent.end(purchaseText({ userId: "tls", purchaseId: "p1" }))
    const [answer] = (await once(sent, "response")) as [IncomingMessage]
    expect(answer.statusCode).toBe(201)
    expect(answer.headers["strict-transport-security"]).toBe("max-age=31536000")
    expect(await text(answer)).toContain('"purchaseId":"p1"')
  })

  it("nginx refuses TLS 1.1", async () => {
    const old = request({
      host: "127.0.0.1",
      port: proxy.port,
      path: "/livez",
      ca: readFileSync(made.authority),
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0"
    })
    old.end()
    const [failure] = (await once(old, "error")) as [Error]
    expect(failure.message).toMatch(/protocol version|PROTOCOL_VERSION/i)
  })
})
